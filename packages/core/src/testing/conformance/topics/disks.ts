import assert from 'node:assert/strict';
import { assertInstant, assertRefused, assertSame, collect } from '../assertions.ts';
import type { ConformanceTopic } from '../topic.ts';

export const disks: ConformanceTopic = {
  name: 'disks',
  cases: [
    {
      title: 'are made, listed and deleted',
      needs: ['disks'],
      async run(trial) {
        const { provider } = trial;
        const control = trial.capability('disks');
        const disk = await trial.disk();
        assert.equal(disk.status, 'READY');
        assert.equal(disk.sizeBytes, trial.diskSizeBytes);
        assert.deepEqual(disk.instances, []);
        assert.deepEqual({ ...disk.labels }, { ...trial.labels });
        assertInstant(disk.createdAt, 'createdAt');
        assertSame(await control.get(disk.id), disk, 'get must give what create gave');
        await trial.disk();
        const named = await collect(control.list({ name: disk.name }));
        assert.deepEqual(
          named.map(({ id }) => id),
          [disk.id],
          'listed by name',
        );
        const { labels } = trial;
        assert.equal((await collect(control.list({ labels }))).length, 2, 'listed by label');
        await control.delete(disk.id);
        await control.delete(disk.id);
        await assertRefused(provider, control.get(disk.id), 'NOT_FOUND');
      },
    },
    {
      title: 'are made of images, never smaller, and images of them',
      needs: ['disks'],
      async run(trial) {
        const { provider, labels } = trial;
        const control = trial.capability('disks');
        const image = await trial.image();
        const source = { kind: 'image', image: image.ref } as const;
        const disk = await control.create({ name: trial.name(), source, labels });
        trial.track('disk', disk.id);
        const more = disk.sizeBytes - image.diskSizeBytes;
        assert.ok(more >= 0 && more < 2 ** 30, 'as large as the image, or the next GiB');
        if (disk.image !== undefined) assert.deepEqual(disk.image, image.ref);
        const sizeBytes = image.diskSizeBytes - 1;
        const smaller = control.create({ name: trial.name(), source, labels, sizeBytes });
        await assertRefused(provider, smaller, 'INVALID_ARGUMENT');
        if (provider.images.traits.sources.includes('disk')) {
          const copy = await trial.image({ source: { kind: 'disk', disk: disk.id } });
          assert.equal(copy.diskSizeBytes, disk.sizeBytes);
        }
      },
    },
    {
      title: 'aren’t made without a size, with a bad name, or of what isn’t there',
      needs: ['disks'],
      async run(trial) {
        const { provider, labels, diskSizeBytes: sizeBytes } = trial;
        const control = trial.capability('disks');
        const sizeless = control.create({ name: trial.name(), labels });
        await assertRefused(provider, sizeless, 'INVALID_ARGUMENT');
        const nameless = control.create({ name: '../escape', labels, sizeBytes });
        await assertRefused(provider, nameless, 'INVALID_ARGUMENT');
        const image = await trial.goneImage();
        for (const source of [
          { kind: 'image', image },
          { kind: 'snapshot', snapshot: image.id },
        ] as const) {
          const sourceless = control.create({ name: trial.name(), labels, source });
          await assertRefused(provider, sourceless, 'NOT_FOUND');
        }
        await trial.assertNothingLeft('a refused request');
      },
    },
  ],
};
