import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { createImgkit } from '@imgkit/core';
import { describeProvider } from '@imgkit/core/testing';
import { attic } from './index.js';

// What the third party runs itself, with Node's own runner and the packages as they are published.
const directory = await mkdtemp(join(tmpdir(), 'imgkit-attic-'));
after(() => rm(directory, { recursive: true }));
const file = join(directory, 'disk.raw');
await writeFile(file, 'a disk');

const report = await describeProvider({
  it: (name, run, timeout) => test(name, { timeout }, run),
  createWorld: async () => {
    const stateDirectory = await mkdtemp(join(directory, 'state-'));
    const kit = await createImgkit({ providers: [attic()], stateDirectory });
    return {
      provider: kit.providers.get('attic'),
      source: { kind: 'file', file },
      dispose: () => kit[Symbol.asyncDispose](),
    };
  },
});
console.log(`not checked: ${report.absent.join(', ')}`);
