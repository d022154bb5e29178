import { spawn } from 'node:child_process';
import { cp, mkdir, mkdtemp, readdir, readlink, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { bake } from '@imgkit/bake';
import { ImgkitError } from '@imgkit/core';
import { debianBase, type BaseImage } from '@imgkit/qemu';
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest';
import { webPackages } from '../examples/golden-image/src/web-packages.ts';
import { webRecipe } from '../examples/golden-image/src/web-recipe.ts';
import { openAzureWorld } from './support/azure-bake-world.ts';
import type { CloudBakeWorld } from './support/cloud-bake-world.ts';
import { openGceWorld } from './support/gce-bake-world.ts';

/** The whole of `pnpm start`, as a user types it, on machines of its own. */
const example = new URL('../examples/golden-image/', import.meta.url);

let directory: string;
let missing: string | undefined;
let base: BaseImage | undefined;

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'imgkit-example-'));
  // The one that debianBase's own test makes too.
  const bases = join(process.env['IMGKIT_TEST_CACHE'] ?? inject('vmDirectory'), 'bases');
  await mkdir(bases, { recursive: true, mode: 0o700 });
  try {
    base = await debianBase().build(bases);
  } catch (error) {
    if (!ImgkitError.is(error, 'FAILED_PRECONDITION') && !ImgkitError.is(error, 'UNAVAILABLE'))
      throw error;
    missing = `${error.message}. ${error.hint ?? ''}`;
  }
  for (const home of ['first', 'interrupted'])
    await cp(bases, join(directory, home, 'bases'), { recursive: true });
}, 600_000);

afterAll(async () => {
  for (const pid of await machinesIn(directory)) process.kill(pid, 'SIGKILL');
  await rm(directory, { recursive: true, force: true });
});

/** The QEMU processes that work in a directory. */
async function machinesIn(path: string): Promise<number[]> {
  const found: number[] = [];
  for (const entry of await readdir('/proc')) {
    if (!/^\d+$/u.test(entry)) continue;
    const program = await readlink(`/proc/${entry}/exe`).catch(() => '');
    const cwd = await readlink(`/proc/${entry}/cwd`).catch(() => '');
    if (/\/qemu-system-[^/]*$/u.test(program) && cwd.startsWith(path)) found.push(Number(entry));
  }
  return found;
}

interface Program {
  readonly output: () => string;
  readonly ended: Promise<number | null>;
  /** Resolves once the output holds the text. */
  readonly shows: (text: string) => Promise<void>;
  readonly signal: (name: NodeJS.Signals) => void;
}

function start(home: string, ...args: readonly string[]): Program {
  const child = spawn('node', ['src/main.ts', ...args], {
    cwd: example,
    env: {
      ...process.env,
      IMGKIT_HOME: join(directory, home, 'state'),
      IMGKIT_QEMU_HOME: join(directory, home),
    },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let output = '';
  const watchers = new Set<() => void>();
  const take = (chunk: Buffer): void => {
    output += String(chunk);
    for (const watcher of watchers) watcher();
  };
  child.stdout.on('data', take);
  child.stderr.on('data', take);
  const ended = new Promise<number | null>((resolve) => child.once('close', resolve));
  return {
    output: () => output,
    ended,
    signal: (name) => void child.kill(name),
    shows: (text) =>
      new Promise((resolve, reject) => {
        const watcher = (): void => {
          if (output.includes(text)) resolve();
        };
        watchers.add(watcher);
        watcher();
        void ended.then((code) => reject(new Error(`ended with ${code}:\n${output}`)));
      }),
  };
}

describe('the golden image example', () => {
  it('bakes, verifies, publishes, deprecates, shares, boots the head, and cleans up', async ({
    skip,
  }) => {
    if (missing !== undefined) skip(missing);
    const program = start('first');
    expect({ code: await program.ended, output: program.output() }).toMatchObject({ code: 0 });
    const output = program.output();
    expect(output).toMatch(/a machine booted from it serves: This is web, version 2/u);
    expect(output).toMatch(/forUse warns: .*DEPRECATED.*web-2/u);
    expect(output).toMatch(/^web-2 +2 +ACTIVE /mu);
    expect(output).toMatch(/^web-1 +1 +DEPRECATED +web-2 /mu);
    expect(output).toContain('No machine is left.');
    expect(await machinesIn(directory)).toEqual([]);
  }, 1_800_000);

  it('uses what stands when it is started again, and says so', async ({ skip }) => {
    if (missing !== undefined) skip(missing);
    const program = start('first');
    expect({ code: await program.ended, output: program.output() }).toMatchObject({ code: 0 });
    const output = program.output();
    expect(output.match(/exists already/gu)).toHaveLength(2);
    expect(output).toMatch(/^web-1 +1 +DEPRECATED .*\(reused\)$/mu);
    expect(output).toContain('served before: This is web, version 2');
  }, 300_000);

  it('cleans up at Ctrl-C and says what it did', async ({ skip }) => {
    if (missing !== undefined) skip(missing);
    const program = start('interrupted');
    await program.shows('launch took');
    program.signal('SIGINT');
    expect(await program.ended).toBe(130);
    expect(program.output()).toMatch(/SIGINT: stopping and cleaning up/u);
    expect(program.output()).toMatch(/removed instance .*web-builder/u);
    expect(program.output()).toMatch(/Stopped: every machine is removed/u);
    expect(await machinesIn(directory)).toEqual([]);
  }, 300_000);

  it('leaves at once at the second Ctrl-C, says how to clean up, and can be cleaned up', async ({
    skip,
  }) => {
    if (missing !== undefined) skip(missing);
    const program = start('interrupted');
    await program.shows('launch took');
    program.signal('SIGINT');
    await program.shows('Once more leaves at once.');
    program.signal('SIGINT');
    expect(await program.ended).toBe(130);
    expect(program.output()).toContain('start --clean');
    const cleaning = start('interrupted', '--clean');
    expect({ code: await cleaning.ended, output: cleaning.output() }).toMatchObject({ code: 0 });
    expect(await machinesIn(directory)).toEqual([]);
  }, 300_000);

  it.for([
    ['Compute Engine', 'gce', openGceWorld, { project: 'debian-cloud' }],
    ['Azure', 'azure', openAzureWorld, {}],
  ] as const)(
    'bakes the same recipe at %s',
    { timeout: 900_000 },
    async ([, name, open, place], { skip, signal }) => {
      if (base === undefined) return skip(missing);
      const source = { name: 'debian-12-v1', family: 'debian-12', file: base.path, ...place };
      const world: CloudBakeWorld | string = await open(directory, source);
      if (typeof world === 'string') return skip(world);
      await using _ = world;
      const packages = await webPackages(join(directory, 'packages'), signal);
      const { images, head } = await world.use(async (kit) => {
        const run = bake(kit, webRecipe(1, packages), { on: [name], version: '1', signal });
        return { ...(await run), head: await kit.families.head(name, 'web') };
      });
      expect(images.map(({ image }) => image.name)).toEqual(['web-1']);
      expect(head.name).toBe('web-1');
      expect(await world.leftovers()).toEqual([]);
      expect(world.emulator.violations).toEqual([]);
    },
  );
});
