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

/** Runs the maker, and kills it `afterMs` milliseconds after it began to work. Gives the milliseconds for which it worked if it was done before that. */
async function run(
  args: readonly string[],
  modules: string,
  afterMs: number,
): Promise<number | undefined> {
  const flags = ['--no-warnings', '--experimental-strip-types', '--conditions=@imgkit/source'];
  const child = spawn(process.execPath, [...flags, maker, ...args], {
    stdio: ['ignore', 'pipe', 'inherit'],
    // What is compiled once need not be compiled by the next ones.
    env: { ...process.env, NODE_COMPILE_CACHE: modules },
  });
  const exit = once(child, 'exit');
  onTestFinished(() => void child.kill('SIGKILL'));
  let output = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    output += text;
  });
  await Promise.race([once(child.stdout, 'data'), exit]);
  const begun = performance.now();
  if (Number.isFinite(afterMs)) {
    await Promise.race([delay(afterMs), exit]);
    child.kill('SIGKILL');
  }
  const [code]: unknown[] = await exit;
  if (code !== null && code !== 0) throw new Error('the maker fails without being killed');
  return output.includes('done') ? performance.now() - begun : undefined;
}

it('kill -9 at any moment, and the same calls again, give one image, one disk and one snapshot', async () => {
  const file = await makeRaw(join(await scratch(), 'raw'), 2 ** 26, [{ at: 0, length: 2 ** 25 }]);
  const modules = await scratch();
  const untilItEnds = Number.POSITIVE_INFINITY;
  const wholeMs = await run([join(await scratch(), 'store'), file], modules, untilItEnds);
  let kills = 0;
  while (kills < 10) {
    const root = join(await scratch(), 'store');
    for (let done = false; !done;) {
      const moment = kills < 10 ? Math.random() * (wholeMs ?? 0) : untilItEnds;
      done = (await run([root, file], modules, moment)) !== undefined;
      if (!done) kills += 1;
    }
    await expectOneOfEach(root);
  }
  expect(kills).toBeGreaterThanOrEqual(10);
}, 300_000);

async function expectOneOfEach(root: string): Promise<void> {
  const provider = localProvider({ root, provider: 'qemu', project: 'default' });
  const store = await provider.context.store();
  const { layout } = store;
  // A qemu-img of a killed maker may outlive it, and make its file only then.
  const leftInTmp = async (): Promise<string[]> => {
    await store.gc();
    return readdir(layout.tmp);
  };
  await expect.poll(leftInTmp, { timeout: 60_000 }).toEqual([]);
  expect(await names(provider.images.list({ status: ['READY'] }))).toEqual(['web-1']);
  expect(await names(provider.images.list())).toEqual(['web-1']);
  expect(await names(provider.disks.list())).toEqual(['data']);
  expect(await names(provider.snapshots.list())).toEqual(['backup']);
  expect(await readdir(layout.blobs)).toHaveLength(1);
  expect(await readdir(layout.disks)).toHaveLength(1);
  expect(await problems(store)).toEqual([]);
}
