import assert from 'node:assert/strict';
import type { Fleet, RolloutRequest } from '../../../spec/capabilities/fleets.ts';
import type { Operation } from '../../../spec/operation.ts';
import { assertRefused, checkError, collect } from '../assertions.ts';
import type { ConformanceTopic } from '../topic.ts';
import type { Trial } from '../trial.ts';
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

        const { surge, canary } = control.traits;
        const template = trial.template(two.ref);
        const request = surge
          ? { fleet: made.id, template, maxSurge: 1, maxUnavailable: 0 }
          : { fleet: made.id, template, maxSurge: 0, maxUnavailable: 1 };
        const [least, most] = surge ? [2, 3] : [1, 2];
        const {
          fleet: rolled,
          least: fewest,
          most: largest,
        } = await watched(trial, control.rollOut(request), made.id);
        assert.deepEqual(rolled.versions, [{ image: two.ref, instances: 2, target: true }]);
        assert.equal(rolled.status, 'STABLE');
        assert.ok(fewest >= least, `only ${fewest} machines stood`);
        assert.ok(largest <= most, `${largest} machines stood`);
        assert.ok(!rolled.instances.some((id) => larger.instances.includes(id)), 'all are new');

        if (canary) {
          const back = { ...request, template: trial.template(one.ref), canary: 1 };
          const { fleet: part } = await watched(trial, control.rollOut(back), made.id);
          assert.deepEqual(
            part.versions.toSorted((a, b) => Number(a.target) - Number(b.target)),
            [
              { image: two.ref, instances: 1, target: false },
              { image: one.ref, instances: 1, target: true },
            ],
            'a canary replaces only so many',
          );
          assert.equal(part.status, 'STABLE');
        }
        const rollback = control.rollBack(made.id);
        await checkPause(trial, rollback, request);
        const image = canary ? two.ref : one.ref;
        assert.deepEqual((await rollback).versions, [{ image, instances: 2, target: true }]);
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

/** Follows a rollout, and counts the machines that stand meanwhile. */
async function watched(
  trial: Trial,
  rollout: Operation<Fleet>,
  id: string,
): Promise<{ readonly fleet: Fleet; readonly least: number; readonly most: number }> {
  const control = trial.capability('fleets');
  const counts = [(await control.get(id)).instances.length];
  for await (const _ of rollout) counts.push((await control.get(id)).instances.length);
  return { fleet: await rollout, least: Math.min(...counts), most: Math.max(...counts) };
}

/** Pauses a rollout that goes on, and goes on with it. */
async function checkPause(
  trial: Trial,
  rollout: Operation<Fleet>,
  request: RolloutRequest,
): Promise<void> {
  const { provider } = trial;
  const control = trial.capability('fleets');
  if (!control.traits.pause) return;
  await rollout.token().catch(() => undefined);
  let paused: Fleet | undefined;
  try {
    paused = await control.pause?.(request.fleet);
  } catch (error) {
    checkError(provider, error, ['FAILED_PRECONDITION']); // it was over already
    return;
  }
  assert.equal(paused?.status, 'PAUSED');
  assert.equal((await control.get(request.fleet)).status, 'PAUSED', 'it stays so');
  await assertRefused(provider, control.rollOut(request), 'FAILED_PRECONDITION');
  assert.equal((await control.unpause?.(request.fleet))?.status, 'STABLE');
}
