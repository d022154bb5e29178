import assert from 'node:assert/strict';
import { assertRefused, collect } from '../assertions.ts';
import type { ConformanceTopic } from '../topic.ts';
import { checkIdempotency } from './idempotency.ts';

export const fleets: ConformanceTopic = {
  name: 'fleets',
  cases: [
    {
      title: 'are made, resized, rolled out within their bounds, rolled back and deleted',
      needs: ['fleets', 'instances'],
      machines: true,
      async run(trial) {
        const { provider, labels } = trial;
        const control = trial.capability('fleets');
        const [one, two] = [await trial.bootImage(), await trial.bootImage()];
        const name = trial.name();
        const made = await control.create({
          name,
          size: 1,
          labels,
          template: trial.template(one.ref),
        });
        trial.track('fleet', made.id);
        assert.equal(made.status, 'STABLE');
        assert.deepEqual(made.versions, [{ image: one.ref, instances: 1, target: true }]);
        assert.equal(made.instances.length, 1);
        for (const filter of [{ name }, { labels }]) {
          const found = await collect(control.list(filter));
          assert.deepEqual(
            found.map(({ id }) => id),
            [made.id],
            JSON.stringify(filter),
          );
        }
        const larger = await control.resize(made.id, 2);
        assert.equal(larger.size, 2);
        assert.equal(larger.instances.length, 2);
        assert.ok(larger.instances.includes(made.instances[0] ?? ''), 'what stands stays');

        const { surge } = control.traits;
        const bounds = surge
          ? { maxSurge: 1, maxUnavailable: 0 }
          : { maxSurge: 0, maxUnavailable: 1 };
        const counts = new Set<number>();
        const rollout = control.rollOut({
          fleet: made.id,
          template: trial.template(two.ref),
          ...bounds,
        });
        for await (const _ of rollout) {
          counts.add((await control.get(made.id)).instances.length);
        }
        const rolled = await rollout;
        assert.deepEqual(rolled.versions, [{ image: two.ref, instances: 2, target: true }]);
        assert.equal(rolled.status, 'STABLE');
        const [least, most] = surge ? [2, 3] : [1, 2];
        assert.ok(Math.min(...counts) >= least, `only ${Math.min(...counts)} machines stood`);
        assert.ok(Math.max(...counts) <= most, `${Math.max(...counts)} machines stood`);
        assert.ok(!rolled.instances.some((id) => larger.instances.includes(id)), 'all are new');

        const back = await control.rollBack(made.id);
        assert.deepEqual(back.versions, [{ image: one.ref, instances: 2, target: true }]);
        await control.delete(made.id);
        await control.delete(made.id);
        await assertRefused(provider, control.get(made.id), 'NOT_FOUND');
        const kinds = new Set((await trial.owned()).map(({ kind }) => kind));
        assert.deepEqual([...kinds], ['image'], 'its machines and their disks go with it');
      },
    },
    {
      title: 'of no machines are made once for one key, and use their image',
      needs: ['fleets'],
      async run(trial) {
        const { provider, labels } = trial;
        const control = trial.capability('fleets');
        const image = await trial.bootImage();
        const template = trial.template(image.ref);
        const id = await checkIdempotency(trial, {
          kind: 'fleet',
          make: (name, idempotencyKey) =>
            control.create({ name, idempotencyKey, labels, size: 0, template }),
        });
        assert.deepEqual((await control.get(id)).instances, []);
        if (provider.usage !== undefined) {
          const { users } = await provider.usage.of(image.ref.id);
          assert.ok(
            users.some((user) => user.kind === 'fleet' && user.id === id),
            'a fleet of size zero uses its image too',
          );
        }
        const still = { fleet: id, template, maxSurge: 0, maxUnavailable: 0 };
        await assertRefused(provider, control.rollOut(still), 'INVALID_ARGUMENT');
      },
    },
    {
      title: 'aren’t made of nothing, or of fewer machines than none',
      needs: ['fleets'],
      async run(trial) {
        const { provider, labels } = trial;
        const control = trial.capability('fleets');
        const image = await trial.bootImage();
        const template = trial.template(image.ref);
        const request = { name: trial.name(), labels, template };
        const negative = control.create({ ...request, size: -1 });
        await assertRefused(provider, negative, 'INVALID_ARGUMENT');
        await provider.images.delete(image.ref.id);
        await assertRefused(provider, control.create({ ...request, size: 1 }), 'NOT_FOUND');
        await assertRefused(
          provider,
          control.rollOut({ fleet: image.ref.id, template }),
          'NOT_FOUND',
        );
        await trial.assertNothingLeft('a refused request');
      },
    },
  ],
};
