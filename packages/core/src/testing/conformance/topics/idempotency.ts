import assert from 'node:assert/strict';
import type { OwnedKind } from '../../../spec/capabilities/owned.ts';
import { assertRefused } from '../assertions.ts';
import type { ConformanceTopic } from '../topic.ts';
import type { Trial } from '../trial.ts';

/** A way to make one kind of resource. */
export interface Maker {
  readonly kind: OwnedKind;
  readonly make: (name: string, idempotencyKey: string) => PromiseLike<{ readonly id: string }>;
}

/** Checks that the same key gives one resource, also at the same time, and another key a refusal. */
export async function checkIdempotency(trial: Trial, { kind, make }: Maker): Promise<string> {
  const { provider } = trial;
  const [name, key] = [trial.name(), trial.key()];
  const before = (await trial.owned(kind)).length;
  const made = await Promise.all([make(name, key), make(name, key)]);
  for (const { id } of made) trial.track(kind, id);
  const again = await make(name, key);
  const [first, second] = made;
  assert.equal(provider.sameId(first.id, second.id), true, 'at the same time');
  assert.equal(provider.sameId(first.id, again.id), true, 'one after the other');
  assert.equal((await trial.owned(kind)).length, before + 1, `one ${kind} must stand`);
  await assertRefused(provider, make(name, trial.key()), 'ALREADY_EXISTS');
  return first.id;
}

export const idempotency: ConformanceTopic = {
  name: 'idempotency',
  cases: [
    {
      title: 'makes one image for one key, and refuses another key under its name',
      async run(trial) {
        await checkIdempotency(trial, {
          kind: 'image',
          make: async (name, idempotencyKey) => {
            const request = trial.request({ name, idempotencyKey });
            return (await trial.provider.images.create(request)).ref;
          },
        });
      },
    },
    {
      title: 'makes two images for two keys',
      async run(trial) {
        const one = await trial.image({ idempotencyKey: trial.key() });
        const two = await trial.image({ idempotencyKey: trial.key() });
        assert.equal(trial.provider.sameId(one.ref.id, two.ref.id), false);
        assert.equal((await trial.owned('image')).length, 2);
      },
    },
    {
      title: 'makes one disk for one key',
      needs: ['disks'],
      async run(trial) {
        const { labels, diskSizeBytes: sizeBytes } = trial;
        await checkIdempotency(trial, {
          kind: 'disk',
          make: (name, idempotencyKey) =>
            trial.capability('disks').create({ name, idempotencyKey, labels, sizeBytes }),
        });
      },
    },
    {
      title: 'makes one snapshot for one key',
      needs: ['disks', 'snapshots'],
      async run(trial) {
        const { labels } = trial;
        const disk = await trial.disk();
        await checkIdempotency(trial, {
          kind: 'snapshot',
          make: (name, idempotencyKey) =>
            trial.capability('snapshots').create({ name, idempotencyKey, labels, disk: disk.id }),
        });
      },
    },
  ],
};
