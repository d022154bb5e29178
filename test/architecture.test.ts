import { spawnSync } from 'node:child_process';
import { hostname } from 'node:os';
import { describe, expect, it } from 'vitest';
import { foreignNames, wrongImports, wrongSources } from './support/architecture.ts';
import { readFiles, root } from './support/repository.ts';

const packageSources = /^packages\/[^/]+\/src\/.*\.ts$/;

describe('the dependencies of our packages', () => {
  it('point one way', async () => {
    expect(wrongImports(await readFiles(/^packages\/[^/]+\/(?:src|test)\/.*\.ts$/))).toEqual([]);
  });

  it.each([
    ['packages/core/src/x.ts', "import { shell } from '@imgkit/bake';", 'bake'],
    ['packages/core/src/x.ts', "const { qemu } = await import('@imgkit/qemu');", 'qemu'],
    ['packages/bake/src/x.ts', "export * from '@imgkit/qemu';", 'qemu'],
    ['packages/qemu/src/x.ts', "import type { Gce } from '@imgkit/gce';", 'gce'],
    ['packages/gce/src/x.ts', "import '@imgkit/bake/testing';", 'bake'],
  ])('%s may not say %s', (path, text, imported) => {
    expect(wrongImports([{ path, text }])).toEqual([`${path} imports @imgkit/${imported}`]);
  });

  it.each([
    ['packages/bake/src/x.ts', "import { ImgkitError } from '@imgkit/core';"],
    ['packages/core/src/x.ts', "/** ```ts\n * import { qemu } from '@imgkit/qemu';\n */"],
    ['examples/bake-web/src/main.ts', "import { qemu } from '@imgkit/qemu';"],
  ])('%s may say %s', (path, text) => {
    expect(wrongImports([{ path, text }])).toEqual([]);
  });
});

describe('our sources', () => {
  it('keep the rules of names, sizes and exports', async () => {
    expect(wrongSources(await readFiles(packageSources))).toEqual([]);
  });

  it.each([
    ['packages/core/src/utils.ts', '', 'says nothing'],
    ['packages/core/src/helpers/x.ts', '', 'says nothing'],
    ['packages/core/src/run-manager.ts', '', 'says nothing'],
    ['packages/core/src/runStore.ts', '', 'is not kebab-case'],
    ['packages/core/src/run.ts', 'export default 1;\n', 'has a default export'],
    ['packages/core/src/run.ts', 'export const enum State { On }\n', 'has an enum'],
    [
      'packages/core/src/run.ts',
      'export interface IRun {}\n',
      'has an interface with an I before its name',
    ],
    ['packages/core/src/run.ts', 'x;\n'.repeat(401), 'has 401 lines, over 400'],
  ])('%s with %j is refused', (path, text, problem) => {
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
  it('names neither the machine it is tested on nor a mirror of the package registry', async () => {
    const names = [`${root}/`, ...mirrorHosts(), ...(hostname().length > 7 ? [hostname()] : [])];
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

/** The host of the registry npm is set to use here, unless it is npm's own. */
function mirrorHosts(): string[] {
  const { stdout } = spawnSync('npm', ['config', 'get', 'registry'], { encoding: 'utf8' });
  const url = URL.parse(stdout.trim());
  return url === null || url.hostname === 'registry.npmjs.org' ? [] : [url.host];
}
