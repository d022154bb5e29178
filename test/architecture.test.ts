import { spawnSync } from 'node:child_process';
import { hostname } from 'node:os';
import { describe, expect, it } from 'vitest';
import {
  adapters,
  foreignNames,
  unlikeAdapters,
  wrongImports,
  wrongSources,
} from './support/architecture.ts';
import { readFiles, root } from './support/repository.ts';

const acme = (path: string, text = '') => ({ path: `packages/acme/${path}`, text });
const packageSources = /^packages\/[^/]+\/src\/.*\.ts$/;

describe('the dependencies of our packages', () => {
  it('point one way', async () => {
    expect(wrongImports(await readFiles(/^packages\/[^/]+\/(?:src|test)\/.*\.ts$/))).toEqual([]);
  });

  it.each([
    ['packages/core/src/x.ts', 'bake', "import { shell } from '@imgkit/bake';"],
    ['packages/core/src/x.ts', 'qemu', "const { qemu } = await import('@imgkit/qemu');"],
    ['packages/bake/src/x.ts', 'qemu', "export * from '@imgkit/qemu';"],
    ['packages/qemu/src/x.ts', 'gce', "import type { Gce } from '@imgkit/gce';"],
    ['packages/gce/src/x.ts', 'bake', "import '@imgkit/bake/testing';"],
  ])('%s may not import %s', (path, imported, text) => {
    expect(wrongImports([{ path, text }])).toEqual([`${path} imports @imgkit/${imported}`]);
  });

  it.each([
    ['packages/bake/src/x.ts', 'core', "import { ImgkitError } from '@imgkit/core';"],
    [
      'packages/core/src/x.ts',
      'qemu in a comment',
      "/*\n * import { qemu } from '@imgkit/qemu';\n */",
    ],
    ['examples/bake-web/src/main.ts', 'qemu', "import { qemu } from '@imgkit/qemu';"],
  ])('%s may import %s', (path, _, text) => {
    expect(wrongImports([{ path, text }])).toEqual([]);
  });
});

describe('the adapters', () => {
  const peerDependencies = { '@imgkit/core': '*', inversify: '*' };
  const whole = [
    acme('package.json', JSON.stringify({ peerDependencies })),
    acme(
      'src/plugin.ts',
      'new ContainerModule(); bind(tokens.images); bind(tokens.machineImages);',
    ),
    ...['index', 'options', 'mapping', 'errors', 'images', 'machine-images'].map((name) =>
      acme(`src/${name}.ts`),
    ),
  ];
  const without = (path: string) => whole.filter((one) => !one.path.endsWith(path));

  it('are alike', async () => {
    const files = await readFiles(/^packages\/[^/]+\/(?:package\.json|src\/.*\.ts)$/);
    expect(adapters(files)).toContain('qemu');
    expect(adapters(files).flatMap((name) => unlikeAdapters(name, files))).toEqual([]);
  });

  it('may leave a capability out, but not the file of one they bind', () => {
    expect(adapters(whole)).toEqual(['acme']);
    expect(unlikeAdapters('acme', whole)).toEqual([]);
    expect(unlikeAdapters('acme', without('machine-images.ts'))).toEqual([
      'packages/acme has no src/machine-images.ts',
    ]);
    expect(unlikeAdapters('acme', without('mapping.ts'))).toEqual([
      'packages/acme has no src/mapping.ts',
    ]);
    const folder = [...without('mapping.ts'), acme('src/mapping/image.ts')];
    expect(unlikeAdapters('acme', folder)).toEqual([]);
  });

  it('bind in one file, and take core and inversify from their user', () => {
    const module = acme('src/client.ts', 'export const module = new ContainerModule(() => {});');
    expect(unlikeAdapters('acme', [...whole, module])).toEqual([
      'packages/acme has bindings in src/client.ts',
    ]);
    expect(unlikeAdapters('acme', without('package.json'))).toEqual([
      "packages/acme doesn't say that @imgkit/core is its peer",
      "packages/acme doesn't say that inversify is its peer",
    ]);
  });
});

describe('our sources', () => {
  it('keep the rules of names, sizes and exports', async () => {
    expect(wrongSources(await readFiles(packageSources))).toEqual([]);
  });

  it.each([
    ['packages/core/src/utils.ts', 'says nothing', ''],
    ['packages/core/src/helpers/x.ts', 'says nothing', ''],
    ['packages/core/src/run-manager.ts', 'says nothing', ''],
    ['packages/core/src/runStore.ts', 'is not kebab-case', ''],
    ['packages/core/src/run.ts', 'has a default export', 'export default 1;\n'],
    ['packages/core/src/run.ts', 'has an enum', 'export const enum State { On }\n'],
    [
      'packages/core/src/run.ts',
      'has an interface with an I before its name',
      'export interface IRun {}\n',
    ],
    ['packages/core/src/run.ts', 'has 401 lines, over 400', 'x;\n'.repeat(401)],
  ])('are refused when %s %s', (path, problem, text) => {
    expect(wrongSources([{ path, text }])).toEqual([`${path} ${problem}`]);
  });

  it('may be long in a test, and up to 400 lines elsewhere', () => {
    expect(
      wrongSources([
        { path: 'packages/core/src/run.test.ts', text: 'x;\n'.repeat(900) },
        { path: 'packages/core/src/run.ts', text: 'x;\n'.repeat(400) },
        { path: 'packages/core/src/image.ts', text: 'export interface Image {}\n' },
      ]),
    ).toEqual([]);
  });
});

describe('the repository stands alone', () => {
  it('names neither the machine it is tested on nor a package registry', async () => {
    const names = [`${root}/`, ...registryHosts(), ...(hostname().length > 7 ? [hostname()] : [])];
    const files = await readFiles(/\.(?:m?[jt]s|json|md|ya?ml|sh)$|^[^.]+$|^\.[^/]+$|^\.ci\//);
    expect(foreignNames(files, names)).toEqual([]);
  });

  it('has a lock file without addresses', async () => {
    const [lock] = await readFiles(/^pnpm-lock\.yaml$/);
    expect(lock?.text).toContain('lockfileVersion');
    expect(lock?.text).not.toMatch(/\bhttps?:\/\/|\btarball:/);
  });

  it('would notice such a name', () => {
    const file = { path: 'docs/x.md', text: 'Run it in /srv/build/imgkit/ or so.' };
    expect(foreignNames([file], ['/srv/build/imgkit/', 'mirror.test'])).toEqual([
      'docs/x.md names /srv/build/imgkit/',
    ]);
  });
});

/** The host of the registry that npm is set to use here. */
function registryHosts(): string[] {
  const { stdout } = spawnSync('npm', ['config', 'get', 'registry'], { encoding: 'utf8' });
  const url = URL.parse(stdout.trim());
  return url === null ? [] : [url.host];
}
