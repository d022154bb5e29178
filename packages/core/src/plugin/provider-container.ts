import type { Container } from 'inversify';
import { ImgkitError } from '../spec/errors.ts';
import { capabilityNames, type Capabilities, type Provider } from '../spec/provider.ts';
import { findFaults, type PartName } from './capability-shapes.ts';
import type { Plugin } from './define-plugin.ts';
import { tokens, type ProviderParts } from './tokens.ts';

/** A provider, and how to let go of all that its plugin made for it. */
export interface LoadedProvider {
  readonly provider: Provider;
  /** Disposes of the connection, then of what the plugin's own bindings deactivate. */
  dispose(): Promise<void>;
}

/**
 * Loads a plugin into a container of its own below core's, and puts the provider together from what it bound.
 *
 * @throws {@link ImgkitError} with `PLUGIN_INCOMPATIBLE` for another version of the contract, `PLUGIN_INVALID`
 *   when something is missing, misshapen or can't be made; what a plugin throws as an ImgkitError comes as it is.
 */
export async function loadProvider(plugin: Plugin, core: Container): Promise<LoadedProvider> {
  checkVersion(plugin);
  const { Container } = await import('inversify');
  const container = new Container({ parent: core });
  container.bind(tokens.providerName).toConstantValue(plugin.name);
  try {
    for (const module of plugin.modules) await container.loadAsync(module);
    const provider = await assemble(plugin, container);
    return {
      provider,
      async dispose() {
        try {
          await provider.dispose?.();
        } finally {
          await container.unbindAllAsync();
        }
      },
    };
  } catch (error) {
    await container.unbindAllAsync().catch(() => undefined); // the first error says more
    throw ImgkitError.is(error) ? error : invalid(plugin, [messageOf(error)], error);
  }
}

async function assemble(plugin: Plugin, container: Container): Promise<Provider> {
  const images = await resolve(container, 'images');
  const owned = await resolve(container, 'owned');
  const connection = await resolve(container, 'connection');
  const capabilities = await resolveCapabilities(container);

  const faults = [
    ...findFaults('images', images),
    ...findFaults('owned', owned),
    ...findFaults('connection', connection),
    ...capabilityNames
      .filter((name) => name in capabilities)
      .flatMap((name) => findFaults(name, capabilities[name])),
  ];
  if (faults.length > 0 || !images || !owned || !connection) throw invalid(plugin, faults);

  const { specVersion, kind, name } = plugin;
  return {
    specVersion,
    kind,
    name,
    images,
    owned,
    ...capabilities,
    project: connection.project,
    check: (options) => connection.check(options),
    sameId: (a, b) => connection.sameId(a, b),
    resume: (token, options) => connection.resume(token, options),
    dispose: async () => connection.dispose?.(),
  };
}

async function resolveCapabilities(container: Container): Promise<Partial<Capabilities>> {
  const found: Partial<{ -readonly [C in keyof Capabilities]: Capabilities[C] }> = {};
  // eslint-disable-next-line typescript/no-unnecessary-type-parameters -- it ties the part to its name
  const add = async <C extends keyof Capabilities>(name: C): Promise<void> => {
    const part = await resolve(container, name);
    if (part !== undefined) found[name] = part;
  };
  for (const name of capabilityNames) await add(name);
  return found;
}

/** What the plugin bound; core binds none of these, so the parent needn't be asked. */
async function resolve<P extends PartName>(
  container: Container,
  name: P,
): Promise<ProviderParts[P] | undefined> {
  if (!container.isCurrentBound(tokens[name])) return undefined;
  return container.getAsync<ProviderParts[P]>(tokens[name]);
}

function checkVersion(plugin: Plugin): void {
  const given: unknown = Reflect.get(plugin, 'specVersion');
  if (given === 'v1') return;
  throw new ImgkitError(
    'PLUGIN_INCOMPATIBLE',
    `plugin "${plugin.kind}" is written for version ${JSON.stringify(given)} of the contract`,
    {
      provider: plugin.name,
      hint: 'This @imgkit/core takes "v1": install versions of the plugin and of core that fit together.',
    },
  );
}

function invalid(plugin: Plugin, faults: readonly string[], cause?: unknown): ImgkitError {
  return new ImgkitError(
    'PLUGIN_INVALID',
    `plugin "${plugin.kind}" doesn't make a provider: ${faults.join('; ')}`,
    {
      provider: plugin.name,
      hint: 'A plugin binds images, owned and connection, and what else it has, under the tokens of @imgkit/core.',
      cause,
    },
  );
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
