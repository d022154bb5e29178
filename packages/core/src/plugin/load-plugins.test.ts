import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { afterAll, describe, expect, it } from 'vitest';
import { loadPlugins } from './load-plugins.ts';

const application = await mkdtemp(join(tmpdir(), 'imgkit-application-'));
afterAll(() => rm(application, { recursive: true, force: true }));
const from = pathToFileURL(join(application, 'main.js'));

/** A plugin in plain JavaScript that knows nothing of core but the brand. */
const plugin = (kind: string) => `Object.assign(
  ({ name = '${kind}', ...options } = {}) => ({ specVersion: 'v1', kind: '${kind}', name, modules: [], options }),
  { [Symbol.for('@imgkit/PluginFactory')]: true },
)`;

async function install(name: string, manifest: object, code: string): Promise<void> {
  const root = join(application, 'node_modules', name);
  const file = join(root, 'lib', 'index.js');
  await mkdir(dirname(file), { recursive: true });
  await writeFile(file, code);
  await writeFile(
    join(root, 'package.json'),
    JSON.stringify({ name, type: 'module', ...manifest }),
  );
}

describe('loadPlugins', () => {
  it.each([
    ['main', { main: './lib/index.js' }],
    ['default', { exports: { default: './lib/index.js' } }],
    ['import', { exports: { import: './lib/index.js' } }],
    ['nested', { exports: { '.': { import: { default: './lib/index.js' } } } }],
  ])('finds a package by its %s entry, where the application does', async (kind, manifest) => {
    const name = `@acme/cloud-${kind}`;
    await install(
      name,
      manifest,
      `export const ${kind === 'default' || kind === 'import' ? 'acme' : kind} = ${plugin(kind)};`,
    );
    const [first, second] = await loadPlugins(
      [name, { package: name, options: { name: 'prod', project: 'p' } }],
      { from },
    );
    expect(first).toMatchObject({ kind, name: kind });
    expect(second).toMatchObject({ kind, name: 'prod', options: { project: 'p' } });
  });

  it('takes a plugin exported under two names for one', async () => {
    const main = { main: './lib/index.js' };
    await install(
      'twice',
      main,
      `export const a = ${plugin('a')}; export default a; export const x = 1;`,
    );
    expect(await loadPlugins(['twice'], { from: from.href })).toMatchObject([{ kind: 'a' }]);
  });

  it.each([
    ['no plugin', 'none', 'export const x = 1;', 'exports 0 plugins'],
    [
      'two plugins',
      'two',
      `export const a = ${plugin('a')}; export const b = ${plugin('b')};`,
      'exports 2 plugins',
    ],
    ['code that fails', 'broken', 'throw new Error("boom");', "can't be loaded"],
  ])('refuses a package with %s', async (_, name, code, message) => {
    await install(name, { main: './lib/index.js' }, code);
    await expect(loadPlugins([name], { from })).rejects.toMatchObject({
      code: 'PLUGIN_INVALID',
      resource: name,
      message: expect.stringContaining(message),
    });
  });

  it('says how to install what is missing', async () => {
    await expect(loadPlugins(['@acme/missing'], { from })).rejects.toMatchObject({
      code: 'PLUGIN_INVALID',
      hint: expect.stringContaining('npm install @acme/missing'),
    });
  });

  it('stops when told to', async () => {
    const signal = AbortSignal.abort();
    await expect(loadPlugins(['x'], { from, signal })).rejects.toMatchObject({ code: 'CANCELLED' });
  });
});
