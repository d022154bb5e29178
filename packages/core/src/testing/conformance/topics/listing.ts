import assert from 'node:assert/strict';
import type { ImageFilter } from '../../../spec/capabilities/images.ts';
import { assertRefused, assertSame, collect } from '../assertions.ts';
import type { ConformanceTopic } from '../topic.ts';
import type { Trial } from '../trial.ts';

async function listed(trial: Trial, filter: ImageFilter): Promise<string[]> {
  const labels = { ...trial.labels, ...filter.labels };
  const found = await collect(trial.provider.images.list({ ...filter, labels }));
  return found.map(({ name }) => name).toSorted();
}

export const listing: ConformanceTopic = {
  name: 'listing',
  cases: [
    {
      title: 'gives each image once, whatever the size of the pages',
      async run(trial) {
        const made = [await trial.image(), await trial.image(), await trial.image()];
        const names = made.map(({ name }) => name).toSorted();
        for (const pageSize of [undefined, 1, 2, 3]) {
          assert.deepEqual(await listed(trial, { pageSize }), names, `pageSize ${pageSize}`);
        }
      },
    },
    {
      title: 'gives images as get does',
      async run(trial) {
        const { ref } = await trial.image({ description: 'listed' });
        const [found] = await collect(trial.provider.images.list({ labels: trial.labels }));
        assertSame(found, await trial.provider.images.get(ref.id), 'listed');
      },
    },
    {
      title: 'filters by name, family, publication, status, state, project and labels',
      async run(trial) {
        const family = trial.name();
        const one = await trial.image({ family, staged: true, labels: { color: 'red' } });
        const two = await trial.image({ labels: { color: 'redder' } });
        const { provider } = trial;
        assert.deepEqual(await listed(trial, { name: one.name }), [one.name]);
        assert.deepEqual(await listed(trial, { name: one.name.slice(0, -1) }), []);
        assert.deepEqual(await listed(trial, { family }), [one.name], 'staged images included');
        assert.deepEqual(await listed(trial, { published: true }), []);
        const both = [one.name, two.name].toSorted();
        assert.deepEqual(await listed(trial, { published: false }), both);
        assert.deepEqual(await listed(trial, { status: ['READY'] }), both);
        assert.deepEqual(await listed(trial, { status: ['FAILED', 'DELETING'] }), []);
        assert.deepEqual(await listed(trial, { states: ['ACTIVE'] }), both);
        assert.deepEqual(await listed(trial, { states: ['OBSOLETE'] }), []);
        assert.deepEqual(await listed(trial, { project: provider.project }), both);
        assert.deepEqual(await listed(trial, { labels: { color: 'red' } }), [one.name]);
        assert.deepEqual(await listed(trial, { labels: { color: 'green' } }), []);
      },
    },
    {
      title: 'asks for no further page when the loop is left',
      unless: ({ pageRequests }) =>
        pageRequests === undefined ? 'this world doesn’t count requests' : undefined,
      async run(trial) {
        await trial.image();
        await trial.image();
        await trial.image();
        const { pageRequests = () => 0 } = trial.world;
        const filter = { labels: trial.labels, pageSize: 1 };
        const start = pageRequests();
        await collect(trial.provider.images.list(filter));
        const whole = pageRequests() - start;
        for await (const _ of trial.provider.images.list(filter)) break;
        const part = pageRequests() - start - whole;
        assert.ok(part < whole, `${part} requests for one image, and ${whole} for all`);
      },
    },
    {
      title: 'ends when it is cancelled',
      async run(trial) {
        await trial.image();
        await trial.image();
        const { provider } = trial;
        const filter = { labels: trial.labels, pageSize: 1 };
        const aborted = { signal: AbortSignal.abort() };
        await assertRefused(provider, collect(provider.images.list(filter, aborted)), 'CANCELLED');
        await assertRefused(provider, collect(provider.owned.list({}, aborted)), 'CANCELLED');
        const stop = new AbortController();
        await assertRefused(
          provider,
          async () => {
            const { signal } = stop;
            for await (const _ of provider.images.list(filter, { signal })) stop.abort();
          },
          'CANCELLED',
        );
      },
    },
  ],
};
