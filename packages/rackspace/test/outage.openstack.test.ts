import { spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

import { describe, expect, it, onTestFinished } from 'vitest';

import {
  diskFile,
  kitOf,
  missing,
  openstack,
  optionsOf,
  providerOf,
  scratch,
} from './openstack.ts';

/** Ends Glance at once, with all its workers. */
async function killGlance(): Promise<void> {
  const pid = await readFile(join(openstack().directory, 'pids', 'glance'), 'utf8');
  process.kill(-Number(pid), 'SIGKILL');
}

/** Starts again what isn't running. */
async function startAgain(): Promise<void> {
  const up = fileURLToPath(new URL('../../../test/openstack/up', import.meta.url));
  const { directory, environment } = openstack();
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  const env = { ...process.env, ...environment };
  const child = spawn(up, [directory], { stdio: ['ignore', 'ignore', 'inherit'], env });
  child.once('error', reject);
  child.once('close', (code) => (code === 0 ? resolve() : reject(new Error(`up: ${code}`))));
  await promise;
}

/** Runs the program that uploads, and kills it in the middle of that. */
async function killedOnTheWay(args: readonly string[]): Promise<void> {
  const program = fileURLToPath(new URL('upload-program.ts', import.meta.url));
  const flags = ['--no-warnings', '--experimental-strip-types', '--conditions=@imgkit/source'];
  const child = spawn(process.execPath, [...flags, program, ...args], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  onTestFinished(() => void child.kill('SIGKILL'));
  const exit = once(child, 'exit');
  await Promise.race([once(child.stdout, 'data'), exit]);
  child.kill('SIGKILL');
  const [, signal]: unknown[] = await exit;
  expect(signal).toBe('SIGKILL');
}

describe.skipIf(missing !== undefined)('an upload', () => {
  it('is made again when Glance is killed in the middle of it and comes back', async () => {
    const kit = await kitOf(providerOf('images'));
    const { images, transfer } = kit.providers.get('images');
    const run = `t-${randomBytes(4).toString('hex')}`;
    const labels = { 'imgkit-run': run };
    const directory = await scratch();
    const file = await diskFile(join(directory, 'disk.raw'), 96 * 2 ** 20);
    const source = { kind: 'file', file } as const;
    const operation = images.create({ name: run, source, labels, idempotencyKey: run });
    const ended = operation.then(
      ({ ref }) => ref.id,
      (error: unknown) => error,
    );
    let killed = false;
    for await (const { fraction = 0 } of operation) {
      if (fraction === 0 || fraction > 0.9 || killed) continue;
      killed = true;
      await killGlance();
      await startAgain();
    }
    expect(killed).toBe(true);
    const id = await ended;
    onTestFinished(async () => images.delete(String(id)));
    const image = await images.get(String(id));
    expect(image).toMatchObject({ status: 'READY', diskSizeBytes: 96 * 2 ** 20 });
    const found: string[] = [];
    for await (const { ref } of images.list({ labels })) found.push(ref.id);
    expect(found).toEqual([id]);
    const to = join(directory, 'copy.raw');
    await transfer?.export({ image: image.ref.id, to, format: 'raw' });
    expect((await readFile(to)).equals(await readFile(file))).toBe(true);
  });

  it('is begun again by the next call when the program that made it is killed', async () => {
    const kit = await kitOf(providerOf('images'));
    const { images } = kit.providers.get('images');
    const name = `t-${randomBytes(4).toString('hex')}`;
    const directory = await scratch();
    const file = await diskFile(join(directory, 'disk.raw'), 96 * 2 ** 20);
    await killedOnTheWay([
      join(directory, 'state'),
      JSON.stringify({ name: 'images', ...optionsOf('images') }),
      name,
      file,
    ]);
    const labels = { 'imgkit-run': name };
    const statuses: string[] = [];
    for await (const { status } of images.list({ labels })) statuses.push(status);
    expect(statuses).toEqual(['PENDING']);

    const source = { kind: 'file', file } as const;
    const image = await images.create({ name, source, labels, idempotencyKey: name });
    onTestFinished(async () => images.delete(image.ref.id));
    expect(image).toMatchObject({ status: 'READY', diskSizeBytes: 96 * 2 ** 20 });
    const found: string[] = [];
    for await (const { ref } of images.list({ labels })) found.push(ref.id);
    expect(found).toEqual([image.ref.id]);
  });
});
