import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { describe, expect, it, onTestFinished } from 'vitest';
import { root } from './support/repository.ts';

/** What a program that only imports a package must not have to load. */
const heavy = /\/node_modules\/(ssh2|@google-cloud|google-auth-library|google-gax|@azure|yaml)\//;
const entries = [
  'core',
  'core/local',
  'core/testing',
  'bake',
  'qemu',
  'gce',
  'azure',
  'rackspace',
].map((name) => {
  const [folder = '', entry] = name.split('/');
  return [
    `@imgkit/${name}`,
    join(root, 'packages', folder, 'dist', entry ?? '', 'index.js'),
  ] as const;
});

describe('importing a package', () => {
  it.for(entries)('%s loads no cloud SDK and no SSH library', async ([, path], { skip }) => {
    skip(!existsSync(path), `${path} is not there: pnpm build makes it`);
    const modules = await loadedModules(path);
    expect(modules).toContain(pathToFileURL(path).href);
    expect(modules.filter((module) => heavy.test(module))).toEqual([]);
  });

  it('would be caught loading one', async () => {
    const directory = await temporaryDirectory();
    const library = join(directory, 'node_modules/ssh2');
    await mkdir(library, { recursive: true });
    await writeFile(join(library, 'index.js'), 'module.exports = {};');
    await writeFile(join(directory, 'main.mjs'), "import 'ssh2';");
    const modules = await loadedModules(join(directory, 'main.mjs'));
    expect(modules.filter((module) => heavy.test(module))).toHaveLength(1);
  });
});

/** The addresses of all modules that a fresh process has loaded after it imported `path`, by V8's own account. */
async function loadedModules(path: string): Promise<string[]> {
  const directory = await temporaryDirectory();
  const program = `await import(${JSON.stringify(pathToFileURL(path).href)});`;
  const ended = spawnSync(process.execPath, ['--input-type=module', '--eval', program], {
    encoding: 'utf8',
    env: { ...process.env, NODE_OPTIONS: '', NODE_V8_COVERAGE: directory },
  });
  expect(ended).toMatchObject({ status: 0, stderr: '' });
  const reports = await Promise.all(
    (await readdir(directory)).map((name) => readFile(join(directory, name), 'utf8')),
  );
  return reports.flatMap((report) =>
    Array.from(report.matchAll(/"url":"([^"]+)"/g), ([, url = '']) => url),
  );
}

async function temporaryDirectory(): Promise<string> {
  const directory = await mkdtemp(join(tmpdir(), 'imgkit-import-'));
  onTestFinished(() => rm(directory, { recursive: true, force: true }));
  return directory;
}
