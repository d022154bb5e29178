import { describe, expect, it } from 'vitest';
import type { LedgerEntry } from './engine/index.ts';
import { labelledResources } from './labelled-resources.ts';
import { collect, openTestKit } from './services/open-test-kit.ts';
import { memory } from './testing/index.ts';

const labels = {
  'imgkit-run': 'run-1',
  'imgkit-owner': 'me',
  'imgkit-expires': '1800000000',
  'imgkit-step': 'disk',
};
const entry: LedgerEntry = {
  token: 'token',
  rootId: 'run-1',
  runId: 'run-1',
  step: 'disk',
  provider: 'prod',
  kind: 'disk',
  id: undefined,
  state: 'intent',
  keepOnSuccess: false,
  labels,
  leftReason: undefined,
  createdAt: 0,
};

describe('what runs have made', () => {
  it('is found by all of its labels and its kind, and removed', async () => {
    await using test = await openTestKit();
    const { disks } = test.kit.providers.require('prod', 'disks');
    const resources = labelledResources(test.kit.providers);
    const { 'imgkit-step': _, ...fewer } = labels;
    for (const [name, other] of Object.entries({
      plain: {},
      fewer,
      'other-run': { ...labels, 'imgkit-run': 'run-2' },
      'other-owner': { ...labels, 'imgkit-owner': 'you' },
    })) {
      await disks.create({ name, sizeBytes: 1_048_576, labels: other });
    }
    expect(await resources.find(entry)).toBeUndefined();
    const disk = await disks.create({ name: 'd', sizeBytes: 1_048_576, labels });
    expect(await resources.find(entry)).toBe(disk.id);
    expect(await resources.find({ ...entry, kind: 'image' })).toBeUndefined();
    await resources.remove({ provider: 'prod', kind: 'disk', id: disk.id });
    expect(await resources.find(entry)).toBeUndefined();
  });

  it('is listed of one provider, or of all', async () => {
    await using test = await openTestKit({
      providers: () => [memory({ name: 'a' }), memory({ name: 'b' })],
    });
    const { providers } = test.kit;
    for (const name of ['a', 'b']) {
      const { disks } = providers.require(name, 'disks');
      await disks.create({ name: 'd', sizeBytes: 1_048_576, labels });
    }
    const resources = labelledResources(providers);
    const owner = { 'imgkit-owner': 'me' };
    expect(await collect(resources.listOwned({ labels: owner }))).toMatchObject([
      { provider: 'a', kind: 'disk', labels },
      { provider: 'b', kind: 'disk', labels },
    ]);
    expect(await collect(resources.listOwned({ provider: 'b', labels: owner }))).toHaveLength(1);
    expect(await collect(resources.listOwned({ labels: { 'imgkit-owner': 'you' } }))).toEqual([]);
  });
});
