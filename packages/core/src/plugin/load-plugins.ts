import { readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import type { CallOptions } from '../spec/call-options.ts';
import { ImgkitError } from '../spec/errors.ts';
import { isPluginFactory, type Plugin } from './define-plugin.ts';
import { throwIfAborted } from './operation.ts';

/** A plugin by the name of its package, as it may stand in a file of settings. */
export interface PluginReference {
  /** The name of the package. */
  readonly package: string;
  /** What its function is called with: its own options, and `name`. */
  readonly options?: Readonly<Record<string, unknown>> | undefined;
}

/** From where packages are looked up. */
export interface LoadPluginsOptions extends CallOptions {
  /** The file (`import.meta.url`) or the path of a file, of the application that depends on the plugins. */
  readonly from: string | URL;
}

/**
 * Loads plugins by the names of their packages, as the application at `from` sees them, and configures them.
 *
 * @throws {@link ImgkitError} with `PLUGIN_INVALID` if a package isn't installed, can't be loaded, or exports no
 *   plugin or several; with `INVALID_ARGUMENT` for options that the plugin doesn't take.
 *
 * @example
 * ```ts
 * import { createImgkit, loadPlugins } from '@imgkit/core';
 *
 * const providers = await loadPlugins(
 *   ['@imgkit/qemu', { package: '@acme/imgkit-cloud', options: { name: 'prod', project: 'acme' } }],
 *   { from: import.meta.url },
 * );
 * await using kit = await createImgkit({ providers });
 * console.log(kit.providers.names());
 * ```
 */
export async function loadPlugins(
  plugins: readonly (string | PluginReference)[],
  { from, signal }: LoadPluginsOptions,
): Promise<readonly Plugin[]> {
  const loaded: Plugin[] = [];
  for (const plugin of plugins) {
    throwIfAborted(signal);
    const reference = typeof plugin === 'string' ? { package: plugin } : plugin;
    loaded.push(await loadPlugin(reference, from));
  }
  return loaded;
}

async function loadPlugin(reference: PluginReference, from: string | URL): Promise<Plugin> {
  const { package: name, options = {} } = reference;
  let exported: unknown;
  try {
    exported = await import(pathToFileURL(await resolve(name, from)).href);
  } catch (cause) {
    throw new ImgkitError('PLUGIN_INVALID', `the plugin "${name}" can't be loaded`, {
      resource: name,
      hint: `Is it installed where ${String(from)} finds it? Try: npm install ${name}`,
      cause,
    });
  }
  const found = new Set(
    Object.values(typeof exported === 'object' && exported !== null ? exported : {}).filter(
      isPluginFactory,
    ),
  );
  const [factory] = found;
  if (factory === undefined || found.size > 1) {
    throw new ImgkitError('PLUGIN_INVALID', `"${name}" exports ${found.size} plugins, not one`, {
      resource: name,
      hint: 'A plugin package exports exactly one function made by definePlugin.',
    });
  }
  return factory(options);
}

/** Core's own `import(name)` would look from core's directory, which sees only core's dependencies. */
async function resolve(name: string, from: string | URL): Promise<string> {
  const application = createRequire(from);
  try {
    return application.resolve(name);
  } catch (error) {
    // A package that only has an `import` condition can't be resolved by `require`.
    const path = await resolveImport(name, application.resolve.paths(name) ?? []);
    if (path === undefined) throw error;
    return path;
  }
}

async function resolveImport(name: string, directories: readonly string[]) {
  for (const directory of directories) {
    const root = join(directory, name);
    const text = await readFile(join(root, 'package.json'), 'utf8').catch(() => undefined);
    if (text === undefined) continue;
    const manifest: { readonly exports?: unknown } = JSON.parse(text);
    const entry = importEntry(manifest.exports);
    return entry === undefined ? undefined : join(root, entry);
  }
  return undefined;
}

/** The file of a package's main entry under the conditions of an import. */
function importEntry(exported: unknown): string | undefined {
  if (typeof exported === 'string') return exported;
  if (typeof exported !== 'object' || exported === null) return undefined;
  for (const [condition, target] of Object.entries(exported)) {
    if (!['.', 'node', 'import', 'default'].includes(condition)) continue;
    const entry = importEntry(target);
    if (entry !== undefined) return entry;
  }
  return undefined;
}
