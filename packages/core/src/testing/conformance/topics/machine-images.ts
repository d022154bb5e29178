import assert from 'node:assert/strict';
import { assertInstant, assertRefused, collect } from '../assertions.ts';
import type { ConformanceTopic } from '../topic.ts';
import { checkIdempotency } from './idempotency.ts';
import { launch } from './instances.ts';

export const machineImages: ConformanceTopic = {
  name: 'machine images',
  cases: [
    {
      title: 'are taken of machines, once for one key, restored with changes, and deleted',
      needs: ['instances', 'machineImages'],
      machines: true,
      async run(trial) {
        const { provider, labels } = trial;
        const control = trial.capability('machineImages');
        const { minIntervalMs, applicationConsistency } = control.traits;
        // Machines of a cloud without disks of their own have nothing but their boot disk.
        const extra = provider.disks === undefined ? [] : [{ sizeBytes: trial.diskSizeBytes }];
        const instance = await launch(trial, { disks: extra });
        const wishes = { instance: instance.id, labels };
        if (!applicationConsistency) {
          const flushed = { ...wishes, name: trial.name(), consistency: 'application' } as const;
          await assertRefused(provider, control.create(flushed), 'UNSUPPORTED');
        }
        const id = await checkIdempotency(trial, {
          kind: 'machine-image',
          make: (name, idempotencyKey) => control.create({ ...wishes, name, idempotencyKey }),
        });
        if (minIntervalMs > 0) {
          const soon = control.create({ ...wishes, name: trial.name() });
          const { retryAfterMs = 0 } = await assertRefused(provider, soon, 'RATE_LIMITED');
          assert.ok(retryAfterMs > 0 && retryAfterMs <= minIntervalMs, `${retryAfterMs} ms`);
        }
        const held = await control.get(id);
        assert.equal(held.status, 'READY');
        assert.equal(held.instance, instance.id);
        assert.equal(held.machineType, instance.machineType);
        assert.deepEqual({ ...held.labels }, { ...labels });
        assert.equal(held.disks[0]?.boot, true, 'the boot disk first');
        const all = control.traits.disks === 'all';
        assert.equal(held.disks.length, all ? instance.disks.length : 1, 'the disks it promises');
        assertInstant(held.createdAt, 'createdAt');
        for (const filter of [{ name: held.name }, { instance: instance.id }, { labels }]) {
          const found = await collect(control.list(filter));
          assert.deepEqual(
            found.map((one) => one.id),
            [id],
            JSON.stringify(filter),
          );
        }

        await trial.capability('instances').delete(instance.id);
        const metadata = { role: 'restored' };
        const request = { machineImage: id, name: trial.name(), labels, metadata };
        const restored = await control.restore(request);
        trial.track('instance', restored.id);
        assert.equal(restored.status, 'RUNNING');
        assert.equal(restored.name, request.name);
        assert.equal(restored.metadata['role'], 'restored', 'an override counts');
        assert.equal(restored.machineType, held.machineType, 'what isn’t overridden stays');
        assert.equal(restored.disks.length, held.disks.length, 'all that it holds comes back');

        await control.delete(id);
        await control.delete(id);
        await assertRefused(provider, control.get(id), 'NOT_FOUND');
        await assertRefused(
          provider,
          control.restore({ machineImage: id, name: trial.name(), labels }),
          'NOT_FOUND',
        );
        const kept = await trial.capability('instances').get(restored.id);
        assert.equal(kept.status, 'RUNNING', 'what was made of it goes on');
        const missing = control.create({ instance: instance.id, name: trial.name(), labels });
        await assertRefused(provider, missing, 'NOT_FOUND');
      },
    },
  ],
};
