import { readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';

import * as fc from 'fast-check';
import { expect, it } from 'vitest';

import { failure, scratch } from '../../../test/scratch.ts';
import { writeSparse } from './sparse-file.ts';

async function* from(chunks: readonly Uint8Array[]): AsyncGenerator<Uint8Array> {
  yield* chunks;
}

it('writes what comes, whatever the chunks', async () => {
  const directory = await scratch();
  const chunk = fc.oneof(
    fc.uint8Array({ maxLength: 500 }),
    fc.nat(200_000).map((length) => new Uint8Array(length)),
    fc.nat(100_000).map((length) => new Uint8Array(length).fill(7)),
  );
  let number = 0;
  await fc.assert(
    fc.asyncProperty(fc.array(chunk, { maxLength: 8 }), async (chunks) => {
      const path = join(directory, String(number++));
      const whole = Buffer.concat(chunks);
      expect(await writeSparse(path, from(chunks))).toBe(whole.length);
      expect((await readFile(path)).equals(whole)).toBe(true);
    }),
    { numRuns: 60 },
  );
});

it('leaves holes where there are zeros', async () => {
  const path = join(await scratch(), 'file');
  await writeSparse(path, from([Buffer.alloc(8 * 2 ** 20), Buffer.from('end')]));
  expect((await stat(path)).size).toBe(8 * 2 ** 20 + 3);
  expect((await stat(path)).blocks * 512).toBeLessThan(2 ** 20);
});

it('stops at once when it is aborted while the stream gives nothing', async () => {
  const controller = new AbortController();
  async function* silent(): AsyncGenerator<Uint8Array> {
    yield Buffer.from('first');
    controller.abort();
    await new Promise(() => {});
  }
  const path = join(await scratch(), 'file');
  const error = await failure(writeSparse(path, silent(), { signal: controller.signal }));
  expect(error.code).toBe('CANCELLED');
});
