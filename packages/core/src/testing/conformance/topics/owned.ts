import assert from 'node:assert/strict';
import { setImmediate as turn } from 'node:timers/promises';
import type { OwnedKind } from '../../../spec/capabilities/owned.ts';
import { ownershipLabels } from '../../../spec/labels.ts';
import { assertInstant, assertRefused, collect } from '../assertions.ts';
import type { ConformanceTopic } from '../topic.ts';
import type { Trial } from '../trial.ts';

/** One of each kind that needs no machine. */
async function oneOfEach(trial: Trial): Promise<readonly (readonly [OwnedKind, string])[]> {
  const { provider, labels } = trial;
  const made: (readonly [OwnedKind, string])[] = [];
  if (provider.disks !== undefined) {
    const disk = await trial.disk();
    made.push(['disk', disk.id]);
    if (provider.snapshots !== undefined) {
      const request = { name: trial.name(), disk: disk.id, labels };
      const snapshot = await provider.snapshots.create(request);
      trial.track('snapshot', snapshot.id);
      made.push(['snapshot', snapshot.id]);
    }
  }
  made.push(['image', (await trial.image()).ref.id]);
  return made;
}

export const owned: ConformanceTopic = {
  name: 'owned resources',
  cases: [
    {
      title: 'are all listed, each once, with their labels',
      async run(trial) {
        const made = await oneOfEach(trial);
        const found = await trial.owned();
        const ids = found.map(({ kind, id }) => [kind, id].join(' ')).toSorted();
        assert.deepEqual(ids, made.map((one) => one.join(' ')).toSorted());
        for (const { labels, name, createdAt } of found) {
          for (const [key, value] of Object.entries(trial.labels)) assert.equal(labels[key], value);
          assert.ok(name.length > 0, 'a name');
          assertInstant(createdAt, 'createdAt');
        }
      },
    },
    {
      title: 'are found by exactly their labels, never by the beginning of one',
      async run(trial) {
        const { provider } = trial;
        const key = ownershipLabels.step;
        const short = await trial.image({ labels: { [key]: 'build' } });
        const long = await trial.image({ labels: { [key]: 'build-2' } });
        const find = async (labels: Record<string, string>) =>
          (await collect(provider.owned.list({ ...trial.labels, ...labels }))).map(({ id }) => id);
        assert.deepEqual(await find({ [key]: 'build' }), [short.ref.id]);
        assert.deepEqual(await find({ [key]: 'build-2' }), [long.ref.id]);
        assert.deepEqual(await find({ [key]: 'buil' }), []);
        assert.deepEqual(await find({ [key]: '' }), [], 'an empty value is a value');
        assert.equal((await find({})).length, 2);
      },
    },
    {
      title: 'carry their labels from the first moment they are seen',
      async run(trial) {
        const { provider } = trial;
        const request = trial.request();
        const operation = provider.images.create(request);
        const made = { yet: false };
        const done = operation.then(
          () => void (made.yet = true),
          () => void (made.yet = true),
        );
        while (!made.yet) {
          const [seen] = await collect(provider.images.list({ name: request.name }));
          if (seen !== undefined) {
            assert.deepEqual(
              { ...seen.labels },
              { ...request.labels },
              `while it is ${seen.status}`,
            );
            const found = await trial.owned('image');
            assert.equal(found.length, 1, 'what is half made must be found by its labels');
          }
          await turn();
        }
        await done;
        assert.equal((await operation).status, 'READY');
      },
    },
    {
      title: 'are deleted by kind, once or twice',
      async run(trial) {
        const { provider } = trial;
        const made = await oneOfEach(trial);
        for (const [kind, id] of made.toReversed()) {
          await provider.owned.delete(kind, id);
          await provider.owned.delete(kind, id);
        }
        await trial.assertNothingLeft('the deletion');
        const kind: OwnedKind = JSON.parse('"mainframe"');
        await assertRefused(provider, provider.owned.delete(kind, 'x'), 'INVALID_ARGUMENT');
      },
    },
  ],
};
