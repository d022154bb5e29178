import assert from 'node:assert/strict';
import { assertRefused } from '../assertions.ts';
import type { ConformanceTopic } from '../topic.ts';

export const usage: ConformanceTopic = {
  name: 'usage',
  cases: [
    {
      title: 'names the disks and images that were made of an image, and whether that is all',
      needs: ['usage'],
      async run(trial) {
        const { provider, labels } = trial;
        const control = trial.capability('usage');
        const { ref } = await trial.image();
        const { users, complete, unanswered } = await control.of(ref.id);
        assert.deepEqual(users, [], 'nobody uses a new image');
        assert.equal(
          unanswered.length === 0,
          complete,
          'an incomplete answer says what is missing',
        );

        const expected: string[] = [];
        const source = { kind: 'image', image: ref } as const;
        if (provider.disks !== undefined) {
          const disk = await provider.disks.create({ name: trial.name(), source, labels });
          trial.track('disk', disk.id);
          expected.push(`disk ${disk.id}`);
        }
        if (provider.images.traits.sources.includes('image')) {
          expected.push(`image ${(await trial.image({ source })).ref.id}`);
        }
        const report = await control.of(ref.id);
        const found = report.users.map(({ kind, id }) => `${kind} ${id}`);
        if (report.complete) assert.deepEqual(found.toSorted(), expected.toSorted());
        for (const { reason } of report.users) assert.ok(reason.length > 0, 'a reason in words');
        const gone = await trial.goneImage();
        await assertRefused(provider, control.of(gone.id), 'NOT_FOUND');
      },
    },
  ],
};
