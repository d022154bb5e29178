import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';

import { expect, it, onTestFinished } from 'vitest';

import { localProvider, names } from './local-provider.ts';
import { makeRaw, scratch } from './scratch.ts';
import { problems } from './store-fixture.ts';

const maker = fileURLToPath(new URL('image-maker.ts', import.meta.url));

/** Runs the maker, kills it `afterMs` milliseconds after it began to work, and tells whether it was done. */
async function run(args: readonly string[], afterMs: number): Promise<boolean> {
  const flags = ['--no-warnings', '--experimental-strip-types', '--conditions=@imgkit/source'];
  const child = spawn(process.execPath, [...flags, maker, ...args], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const exit = once(child, 'exit');
  onTestFinished(() => void child.kill('SIGKILL'));
  let output = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    output += text;
  });
  await Promise.race([once(child.stdout, 'data'), exit]);
  if (Number.isFinite(afterMs)) {
    await Promise.race([delay(afterMs), exit]);
    child.kill('SIGKILL');
  }
  await exit;
  return output.includes('done');
}

it('kill -9 at any moment, and the same calls again, give one image, one disk and one snapshot', async () => {
  const file = await makeRaw(join(await scratch(), 'raw'), 2 ** 26, [{ at: 0, length: 2 ** 25 }]);
  let unfinished = 0;
  for (let round = 0; round < 2; round++) {
    const root = join(await scratch(), 'store');
    for (let kill = 0; kill < 6; kill++)
      if (!(await run([root, file], Math.random() * 300))) unfinished += 1;
    expect(await run([root, file], Number.POSITIVE_INFINITY)).toBe(true);

    const provider = localProvider({ root, provider: 'qemu', project: 'default' });
    const store = await provider.context.store();
    const { layout } = store;
    const leftInTmp = async (): Promise<string[]> => {
      await store.gc();
      return readdir(layout.tmp);
    };
    await expect.poll(leftInTmp, { timeout: 10_000 }).toEqual([]);
    expect(await names(provider.images.list({ status: ['READY'] }))).toEqual(['web-1']);
    expect(await names(provider.images.list())).toEqual(['web-1']);
    expect(await names(provider.disks.list())).toEqual(['data']);
    expect(await names(provider.snapshots.list())).toEqual(['backup']);
    expect(await readdir(layout.blobs)).toHaveLength(1);
    expect(await readdir(layout.disks)).toHaveLength(1);
    expect(await problems(store)).toEqual([]);
  }
  // Otherwise nothing was tested.
  expect(unfinished).toBeGreaterThan(3);
}, 120_000);
