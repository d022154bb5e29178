import { createImgkit } from '@imgkit/core';
import { describeProvider, type ProviderWorld, type RegisterTest } from '@imgkit/core/testing';
import { mkdtemp, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, inject, it } from 'vitest';

import { qemu } from '../src/plugin.ts';

const base = inject('tinyBase');
const directory = inject('vmDirectory');

/** Two processes of one project on one store, and machines that boot for real. */
async function createWorld(): Promise<ProviderWorld> {
  const home = await mkdtemp(join(directory, 'conformance-'));
  const store = join(home, 'store');
  const kits = await Promise.all(
    ['one', 'two'].map((name) =>
      createImgkit({
        stateDirectory: join(home, name),
        providers: [
          qemu({ directory: store }),
          qemu({ name: 'team', project: 'team-a', directory: store }),
        ],
      }),
    ),
  );
  const [one, two] = kits;
  if (one === undefined || two === undefined) throw new Error('no kit');
  return {
    provider: one.providers.get('qemu'),
    consumer: one.providers.get('team'),
    other: two.providers.get('qemu'),
    source: { kind: 'file', file: base.image?.path ?? '' },
    machine: { machineType: { cpus: 1, memoryBytes: 256 * 2 ** 20 } },
    diskSizeBytes: 2 ** 20,
    async dispose() {
      for (const kit of kits) await kit[Symbol.asyncDispose]();
      await rm(home, { recursive: true, force: true });
    },
  };
}

const topics = [
  'instances',
  'machine images',
  'warm starts',
  'fleets',
  'cancellation',
  'owned resources',
];

const register: RegisterTest = base.image === undefined ? it.skip : it;
await describeProvider({ it: register, describe, createWorld, topics });
