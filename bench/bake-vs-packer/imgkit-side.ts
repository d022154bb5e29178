import { join } from 'node:path';
import { bake, file, reboot, recipe, shell } from '@imgkit/bake';
import { createImgkit, family, type Imgkit } from '@imgkit/core';
import { qemu } from '@imgkit/qemu';
import { scripts, seconds, type Work } from './work.ts';

/** The seconds that imgkit took, each for one more bake in the same store. */
export interface ImgkitTimes {
  /** The import of the base into an empty store. Part of the first bake. */
  readonly import: number;
  /** The first bake, with the import. */
  readonly first: number;
  /** The bake of another version, from a base that was used before. */
  readonly again: number;
  /** The call for a version that exists, and of which nothing has changed. */
  readonly unchanged: number;
}

/** Bakes three times in a store of its own in `directory`, which must be empty. */
export async function bakeWithImgkit(
  work: Work,
  directory: string,
  print: (line: string) => void,
): Promise<ImgkitTimes> {
  await using kit = await createImgkit({
    stateDirectory: join(directory, 'state'),
    providers: [qemu({ directory: join(directory, 'store'), accelerator: 'tcg' })],
  });
  const imported = await seconds(async () => {
    const source = { kind: 'file', file: work.base.path } as const;
    await kit.providers
      .get('qemu')
      .images.create({ name: 'bench-base', family: 'bench-base', source });
  });
  const first = imported + (await seconds(() => bakeVersion(kit, work, 'v1', print)));
  const again = await seconds(() => bakeVersion(kit, work, 'v2', print));
  const unchanged = await seconds(() => bakeVersion(kit, work, 'v2', print));
  return { import: imported, first, again, unchanged };
}

async function bakeVersion(
  kit: Imgkit,
  work: Work,
  version: string,
  print: (line: string) => void,
): Promise<void> {
  const bench = recipe('bench', {
    from: { qemu: family('bench-base') },
    provision: [
      file({ source: work.archive, destination: '/tmp/app.tar' }),
      shell({ script: join(scripts, 'provision-1.sh') }),
      reboot(),
      shell({ script: join(scripts, 'provision-2.sh') }),
    ],
    machineType: { cpus: work.cpus, memoryBytes: work.memoryMib * 2 ** 20 },
    family: 'bench',
  });
  const start = performance.now();
  const baking = bake(kit, bench, { version });
  for await (const { type, message } of baking) {
    if (type === 'output') continue;
    print(`    ${((performance.now() - start) / 1000).toFixed(1)} ${message}`);
  }
  await baking;
}
