import assert from 'node:assert/strict';
import type { Grant } from '../../../spec/capabilities/sharing.ts';
import { everyone, project, type Principal, type PrincipalKind } from '../../../spec/principal.ts';
import { assertRefused, collect, eventually } from '../assertions.ts';
import type { Provider } from '../../../spec/provider.ts';
import type { ConformanceTopic } from '../topic.ts';
import type { Trial } from '../trial.ts';
import type { ProviderWorld } from '../world.ts';

const samples: readonly Principal[] = [
  project('conformance-project'),
  { kind: 'user', id: 'someone@example.com' },
  { kind: 'group', id: 'some@example.com' },
  { kind: 'service-account', id: 'robot@example.com' },
  { kind: 'domain', id: 'example.com' },
  everyone(),
];

function unlessShared({ provider, consumer }: ProviderWorld): string | undefined {
  const known: readonly PrincipalKind[] = provider.sharing?.traits.principals ?? [];
  if (!known.includes('project')) return 'images can’t be shared with projects';
  return consumer === undefined ? 'this world has no consumer' : undefined;
}

function unlessSharedTwice(world: ProviderWorld): string | undefined {
  const reason = unlessShared(world);
  if (reason !== undefined || world.secondConsumer !== undefined) return reason;
  return 'this world has no second consumer';
}

async function seenByConsumer(
  trial: Trial,
  id: string,
  consumer = trial.consumer,
): Promise<boolean> {
  const { provider } = trial;
  const filter = { project: provider.project, labels: trial.labels };
  const lists = provider.sharing?.traits.consumerLists !== false;
  const found = lists ? await collect(consumer.images.list(filter)) : [];
  const listed = found.some(({ ref }) => consumer.sameId(ref.id, id));
  try {
    await consumer.images.get(id);
  } catch (error) {
    await assertRefused(consumer, Promise.reject(error), 'NOT_FOUND');
    assert.equal(listed, false, 'what can’t be got must not be listed');
    return false;
  }
  assert.equal(listed, lists, 'what can be got must be listed');
  return true;
}

async function assertSeen(
  trial: Trial,
  id: string,
  seen: boolean,
  why: string,
  consumer = trial.consumer,
): Promise<void> {
  await eventually(trial.timeouts.settle, async () => {
    assert.equal(await seenByConsumer(trial, id, consumer), seen, why);
  });
}

function grantText(principal: Principal, state: Grant['state']): string {
  return `${JSON.stringify(principal)} ${state}`;
}

/** What is listed of projects that were granted it, and took it. */
function active(...consumers: readonly Provider[]): string[] {
  return consumers.map((one) => grantText(project(one.project), 'ACTIVE')).toSorted();
}

export const sharing: ConformanceTopic = {
  name: 'sharing',
  cases: [
    {
      title: 'lets another project use an image from its grant to its revocation',
      needs: ['sharing'],
      unless: unlessShared,
      async run(trial) {
        const { provider, consumer } = trial;
        const control = trial.capability('sharing');
        const { unit } = control.traits;
        const options = { allowWider: unit !== 'image' };
        const { ref } = await trial.image();
        const to = [project(consumer.project)];
        assert.equal(await seenByConsumer(trial, ref.id), false, 'before the grant');
        await control.grant(ref.id, to, options);
        await control.grant(ref.id, to, options);
        if (control.traits.consumerAccepts) {
          assert.equal(await seenByConsumer(trial, ref.id), false, 'before it is accepted');
          await consumer.sharing?.accept?.(ref.id);
        }
        await assertSeen(trial, ref.id, true, 'after the grant');
        const grants = await collect(control.list(ref.id));
        assert.deepEqual(grants, [{ principal: to[0], reach: unit, state: 'ACTIVE' }]);

        const shared = await consumer.images.get(ref.id);
        assert.equal(shared.ref.provider, consumer.name);
        assert.equal(shared.project, provider.project);
        await assertRefused(consumer, consumer.images.delete(ref.id), 'PERMISSION_DENIED');
        if (consumer.deprecation !== undefined) {
          const change = consumer.deprecation.set(ref.id, { state: 'OBSOLETE' });
          await assertRefused(consumer, change, 'PERMISSION_DENIED');
        }
        assert.equal((await provider.images.get(ref.id)).deprecation.state, 'ACTIVE');
        if (consumer.images.traits.sources.includes('image')) {
          const source = { kind: 'image', image: shared.ref } as const;
          const copy = await consumer.images.create(trial.request({ source }));
          trial.track('image', copy.ref.id, consumer);
          assert.equal(copy.project, consumer.project);
        }

        await control.revoke(ref.id, to, options);
        await control.revoke(ref.id, to, options);
        await assertSeen(trial, ref.id, false, 'after the revocation');
        assert.deepEqual(await collect(control.list(ref.id)), []);
      },
    },
    {
      title: 'keeps apart what two projects are granted',
      needs: ['sharing'],
      unless: unlessSharedTwice,
      async run(trial) {
        const [first, second] = [trial.consumer, trial.secondConsumer];
        const control = trial.capability('sharing');
        const { unit, consumerAccepts } = control.traits;
        const options = { allowWider: unit !== 'image' };
        const { ref } = await trial.image();
        const granted = async (): Promise<string[]> => {
          const grants = await collect(control.list(ref.id));
          return grants.map(({ principal, state }) => grantText(principal, state)).toSorted();
        };

        await control.grant(ref.id, [project(first.project)], options);
        if (consumerAccepts) await first.sharing?.accept?.(ref.id);
        await assertSeen(trial, ref.id, true, 'the first one, who was granted it', first);
        assert.equal(await seenByConsumer(trial, ref.id, second), false, 'the second one, not yet');

        await control.grant(ref.id, [project(second.project)], options);
        if (consumerAccepts) {
          const seen = await seenByConsumer(trial, ref.id, second);
          assert.equal(seen, false, 'the first one has not accepted it for the second one');
          await second.sharing?.accept?.(ref.id);
        }
        await assertSeen(trial, ref.id, true, 'the second one, who was granted it too', second);
        assert.deepEqual(await granted(), active(first, second));

        await control.revoke(ref.id, [project(first.project)], options);
        await assertSeen(trial, ref.id, false, 'the first one, after the revocation', first);
        assert.deepEqual(await granted(), active(second));
        await assertSeen(trial, ref.id, true, 'the second one, of whom nothing was taken', second);
      },
    },
    {
      title: 'reaches no other image than the one that is shared',
      needs: ['sharing'],
      unless: (world) =>
        world.provider.sharing?.traits.unit === 'image'
          ? unlessShared(world)
          : 'sharing reaches wider here',
      async run(trial) {
        const [shared, other] = [await trial.image(), await trial.image()];
        const to = [project(trial.consumer.project)];
        await trial.capability('sharing').grant(shared.ref.id, to);
        await trial.consumer.sharing?.accept?.(shared.ref.id);
        await assertSeen(trial, shared.ref.id, true, 'the shared image');
        assert.equal(await seenByConsumer(trial, other.ref.id), false, 'the other image');
      },
    },
    {
      title: 'refuses what reaches wider than the image, unless that is allowed',
      needs: ['sharing'],
      unless: (world) =>
        world.provider.sharing?.traits.unit === 'image'
          ? 'an image is the unit of sharing'
          : unlessShared(world),
      async run(trial) {
        const control = trial.capability('sharing');
        const { ref } = await trial.image({ family: trial.name(), staged: true });
        const wide = control.grant(ref.id, [project(trial.consumer.project)]);
        await assertRefused(trial.provider, wide, 'FAILED_PRECONDITION');
        assert.deepEqual(await collect(control.list(ref.id)), [], 'nothing may be granted');
        assert.equal(await seenByConsumer(trial, ref.id), false);
      },
    },
    {
      title: 'grants nothing when one of the principals is wrong',
      needs: ['sharing'],
      async run(trial) {
        const { provider } = trial;
        const control = trial.capability('sharing');
        const { principals, unit } = control.traits;
        const options = { allowWider: unit !== 'image' };
        const { ref } = await trial.image();
        const good = samples.filter(({ kind }) => principals.includes(kind)).slice(0, 1);
        for (const unknown of samples.filter(({ kind }) => !principals.includes(kind))) {
          const grant = control.grant(ref.id, [...good, unknown], options);
          await assertRefused(provider, grant, 'UNSUPPORTED');
        }
        for (const kind of principals) {
          if (kind === 'everyone') continue;
          const grant = control.grant(ref.id, [...good, { kind, id: ' not an id ' }], options);
          await assertRefused(provider, grant, 'INVALID_ARGUMENT');
        }
        assert.deepEqual(await collect(control.list(ref.id)), [], 'nothing may be granted');
        const gone = await trial.goneImage();
        await assertRefused(provider, control.grant(gone.id, good, options), 'NOT_FOUND');
        await assertRefused(provider, control.revoke(gone.id, good, options), 'NOT_FOUND');
        await assertRefused(provider, collect(control.list(gone.id)), 'NOT_FOUND');
      },
    },
  ],
};
