import assert from 'node:assert/strict';
import { assertInstant, assertRefused, assertSame, collect } from '../assertions.ts';
import type { ConformanceTopic } from '../topic.ts';

export const snapshots: ConformanceTopic = {
  name: 'snapshots',
  cases: [
    {
      title: 'are taken of disks, listed, used and deleted',
      needs: ['disks', 'snapshots'],
      async run(trial) {
        const { provider, labels } = trial;
        const control = trial.capability('snapshots');
        const disk = await trial.disk();
        const snapshot = await control.create({ name: trial.name(), disk: disk.id, labels });
        trial.track('snapshot', snapshot.id);
        assert.equal(snapshot.status, 'READY');
        assert.equal(snapshot.disk, disk.id);
        assert.equal(snapshot.diskSizeBytes, disk.sizeBytes);
        assert.deepEqual({ ...snapshot.labels }, { ...labels });
        assertInstant(snapshot.createdAt, 'createdAt');
        assertSame(await control.get(snapshot.id), snapshot, 'get must give what create gave');
        for (const filter of [{ name: snapshot.name }, { disk: disk.id }, { labels }]) {
          const found = await collect(control.list(filter));
          assert.deepEqual(
            found.map(({ id }) => id),
            [snapshot.id],
            JSON.stringify(filter),
          );
        }
        assert.deepEqual(await collect(control.list({ name: 'nothing', labels })), []);

        const source = { kind: 'snapshot', snapshot: snapshot.id } as const;
        const restored = await trial
          .capability('disks')
          .create({ name: trial.name(), source, labels });
        trial.track('disk', restored.id);
        assert.equal(restored.sizeBytes, snapshot.diskSizeBytes);
        if (provider.images.traits.sources.includes('snapshot')) await trial.image({ source });

        const stays = control.traits?.outliveDisks === false;
        const gone = trial.capability('disks').delete(disk.id);
        await (stays ? assertRefused(provider, gone, 'IN_USE') : gone);
        assert.equal((await control.get(snapshot.id)).status, 'READY', 'it stays');
        await control.delete(snapshot.id);
        if (stays) await trial.capability('disks').delete(disk.id);
        await control.delete(snapshot.id);
        await assertRefused(provider, control.get(snapshot.id), 'NOT_FOUND');
        const kept = await trial.capability('disks').get(restored.id);
        assert.equal(kept.status, 'READY', 'what was made of it goes on');
      },
    },
    {
      title: 'aren’t taken with a bad name, or of what isn’t there',
      needs: ['disks', 'snapshots'],
      async run(trial) {
        const { provider, labels } = trial;
        const control = trial.capability('snapshots');
        const { id: disk } = await trial.disk();
        const nameless = control.create({ name: '../escape', disk, labels });
        await assertRefused(provider, nameless, 'INVALID_ARGUMENT');
        await trial.capability('disks').delete(disk);
        const diskless = control.create({ name: trial.name(), disk, labels });
        await assertRefused(provider, diskless, 'NOT_FOUND');
        await trial.assertNothingLeft('a refused request');
      },
    },
  ],
};
