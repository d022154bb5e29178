import { createImgkit } from '@imgkit/core';
import { describeProvider, type ProviderWorld } from '@imgkit/core/testing';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, it } from 'vitest';

import { qemu } from '../src/plugin.ts';
import { makeRaw } from './scratch.ts';

/** Two processes of one project, and another project, on one store. */
async function createWorld(): Promise<ProviderWorld> {
  const home = await mkdtemp(join(tmpdir(), 'imgkit-conformance-'));
  const directory = join(home, 'store');
  const file = await makeRaw(join(home, 'disk.raw'), 2 ** 20, [{ at: 0, length: 65_536 }]);
  const kits = await Promise.all([
    createImgkit({
      stateDirectory: join(home, 'one'),
      providers: [qemu({ directory }), qemu({ name: 'team', project: 'team-a', directory })],
    }),
    createImgkit({ stateDirectory: join(home, 'two'), providers: [qemu({ directory })] }),
  ]);
  const [one, two] = kits;
  return {
    provider: one.providers.get('qemu'),
    consumer: one.providers.get('team'),
    other: two.providers.get('qemu'),
    source: { kind: 'file', file },
    diskSizeBytes: 2 ** 20,
    async dispose() {
      for (const kit of kits) await kit[Symbol.asyncDispose]();
      await rm(home, { recursive: true, force: true });
    },
  };
}

// Machines have a suite of their own: they need a guest to boot.
await describeProvider({ it, describe, createWorld, machines: false });
