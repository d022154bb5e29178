import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdir, mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { afterEach, beforeEach, describe, expect, it } from 'vitest';

import {
  buildOnce,
  recipeDigest,
  requireDigest,
  type Recipe,
  type Workshop,
} from './build-cache.ts';
import { tryLock } from './build-lock.ts';

let directory: string;
let made: number;

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'imgkit-bases-'));
  made = 0;
});

afterEach(() => rm(directory, { recursive: true, force: true }));

function recipe(make: (workshop: Workshop) => Promise<void> = async () => {}): Recipe {
  return {
    kind: 'tiny',
    description: 'a test image',
    defaultUser: 'root',
    digest: recipeDigest('test'),
    requiredBytes: 1000,
    make: async (workshop) => {
      made += 1;
      const file = join(workshop.directory, 'disk.qcow2');
      await writeFile(file, 'the image');
      await make(workshop);
      return file;
    },
  };
}

/** What lies in the directory beside locks. */
async function files(): Promise<readonly string[]> {
  return (await readdir(directory)).filter((name) => !name.endsWith('.lock')).toSorted();
}

const key = `tiny-${recipeDigest('test').slice(0, 16)}`;

describe('buildOnce', () => {
  it('makes an image, and from then on gives it from the cache', async () => {
    const first = await buildOnce(directory, recipe());
    const second = await buildOnce(directory, recipe());
    expect(made).toBe(1);
    expect(second).toEqual(first);
    expect(first).toMatchObject({
      path: join(directory, `${key}.qcow2`),
      sha256: createHash('sha256').update('the image').digest('hex'),
      sizeBytes: 9,
      recipeDigest: recipeDigest('test'),
    });
    expect((await stat(first.path)).mode & 0o777).toBe(0o444);
    expect(await files()).toEqual([`${key}.json`, `${key}.qcow2`]);
  });

  it('makes it once for all who ask at the same time', async () => {
    const phases: string[] = [];
    const waiting = 'waiting for another process that makes the same image';
    const both = Promise.withResolvers<void>();
    const slow = recipe(() => both.promise);
    const onProgress = ({ phase }: { phase: string }): void => {
      phases.push(phase);
      if (phases.filter((one) => one === waiting).length === 2) both.resolve();
    };
    const images = await Promise.all(
      [1, 2, 3].map(() => buildOnce(directory, slow, { onProgress })),
    );
    expect(made).toBe(1);
    expect(new Set(images.map(({ builtAt }) => builtAt)).size).toBe(1);
    expect(phases.filter((phase) => phase === waiting)).toHaveLength(2);
  });

  it('leaves nothing when it fails', async () => {
    const failing = recipe(() => Promise.reject(new Error('no luck')));
    await expect(buildOnce(directory, failing)).rejects.toMatchObject({
      code: 'OPERATION_FAILED',
      message: expect.stringContaining('no luck'),
    });
    expect(await files()).toEqual([]);
    await expect(buildOnce(directory, recipe())).resolves.toMatchObject({ sizeBytes: 9 });
  });

  it('leaves nothing when it is cancelled, whether it works or waits', async () => {
    const stop = new AbortController();
    const { promise: started, resolve: start } = Promise.withResolvers<void>();
    const slow = recipe(async ({ signal }) => {
      start();
      await new Promise((resolve) => signal?.addEventListener('abort', resolve));
    });
    const working = buildOnce(directory, slow, { signal: stop.signal });
    await started;
    const waiting = buildOnce(directory, slow, { signal: stop.signal });
    stop.abort();
    await Promise.all(
      [working, waiting].map((build) => expect(build).rejects.toMatchObject({ code: 'CANCELLED' })),
    );
    expect(await files()).toEqual([]);
  });

  it('refuses a disk that is too full before it writes anything', async () => {
    await expect(
      buildOnce(directory, recipe(), {}, () => Promise.resolve(999)),
    ).rejects.toMatchObject({ code: 'QUOTA_EXCEEDED', data: { free: 999, needed: 1000 } });
    expect(made).toBe(0);
    expect(await files()).toEqual([]);
  });

  it('makes an image again that has no record, or is not what was recorded', async () => {
    const image = await buildOnce(directory, recipe());
    await rm(join(directory, `${key}.json`));
    await buildOnce(directory, recipe());
    await rm(image.path);
    await writeFile(image.path, 'cut');
    await buildOnce(directory, recipe());
    await writeFile(join(directory, `${key}.json`), '{"sha256":');
    await buildOnce(directory, recipe());
    expect(made).toBe(4);
    expect(await readFile(image.path, 'utf8')).toBe('the image');
  });

  it('removes what a dead builder left, and nothing of one that lives', async () => {
    const dead = join(directory, 'debian-0000.work-abc');
    const living = join(directory, 'debian-1111.work-abc');
    await mkdir(join(dead, 'root'), { recursive: true });
    await mkdir(living);
    const release = await tryLock(join(directory, 'debian-1111.lock'));
    await buildOnce(directory, recipe());
    expect(await files()).toEqual(['debian-1111.work-abc', `${key}.json`, `${key}.qcow2`]);
    release?.();
  });

  it('takes over from a builder that was killed in the middle', async () => {
    const program = `
      import { buildOnce, recipeDigest } from ${JSON.stringify(join(import.meta.dirname, 'build-cache.ts'))};
      import { writeFileSync } from 'node:fs';
      await buildOnce(${JSON.stringify(directory)}, {
        kind: 'tiny', description: '', defaultUser: 'root', digest: recipeDigest('test'), requiredBytes: 0,
        make: async ({ directory }) => {
          writeFileSync(directory + '/disk.qcow2', 'half of');
          console.log('working');
          await new Promise(() => setInterval(() => {}, 1000));
        },
      });`;
    const args = ['--conditions=@imgkit/source', '--disable-warning=ExperimentalWarning'];
    const builder = spawn(
      process.execPath,
      [...args, '--experimental-strip-types', '--input-type=module', '-e', program],
      { stdio: ['ignore', 'pipe', 'inherit'], cwd: import.meta.dirname },
    );
    await new Promise((resolve) => builder.stdout.once('data', resolve));
    const next = buildOnce(directory, recipe());
    await new Promise((resolve) => setTimeout(resolve, 250));
    expect(made).toBe(0);
    builder.kill('SIGKILL');
    await expect(next).resolves.toMatchObject({ sizeBytes: 9 });
    expect(await files()).toEqual([`${key}.json`, `${key}.qcow2`]);
  });
});

describe('requireDigest', () => {
  it('takes a SHA-256 in hex and nothing else', () => {
    expect(requireDigest('A'.repeat(64))).toBe('a'.repeat(64));
    expect(() => requireDigest('a'.repeat(63))).toThrow('is not a SHA-256');
  });
});
