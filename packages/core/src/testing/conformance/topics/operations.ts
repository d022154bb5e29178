import assert from 'node:assert/strict';
import { ImgkitError } from '../../../spec/errors.ts';
import { collect } from '../assertions.ts';
import type { ConformanceTopic } from '../topic.ts';

export const operations: ConformanceTopic = {
  name: 'operations',
  cases: [
    {
      title: 'tell their progress, and end with it',
      async run(trial) {
        const operation = trial.provider.images.create(trial.request());
        const seen = await collect(operation);
        for (const { message, fraction = 0 } of seen) {
          assert.ok(message.length > 0, 'progress must have a message');
          assert.ok(fraction >= 0 && fraction <= 1, `a fraction of ${fraction}`);
        }
        const [one, two] = [await operation, await operation];
        assert.equal(one.status, 'READY');
        assert.deepEqual(one.ref, two.ref, 'it gives the same however often it is awaited');
      },
    },
    {
      title: 'that fail end their progress without throwing',
      async run(trial) {
        const source = { kind: 'image', image: await trial.goneImage() } as const;
        const operation = trial.provider.images.create(trial.request({ source }));
        await collect(operation);
        await assert.rejects(async () => operation);
        await assert.rejects(operation.token(), 'there is no token of what was never accepted');
      },
    },
    {
      title: 'are found again by their token, also by another process',
      async run(trial) {
        const operation = trial.provider.images.create(trial.request());
        const token = await operation.token().catch((error: unknown) => {
          if (!ImgkitError.is(error, 'FAILED_PRECONDITION')) throw error;
        });
        if (token === undefined) {
          assert.equal((await operation).status, 'READY', 'what has no token is done at once');
          return;
        }
        const early = await (trial.world.other ?? trial.provider).resume(token);
        const made = await operation;
        const late = await trial.provider.resume(token);
        for (const resumed of [early, late]) {
          assert.deepEqual(Object(resumed).ref?.id, made.ref.id, 'it gives what the call gave');
          assert.equal(Object(resumed).status, 'READY', 'it must be done');
        }
        assert.equal((await trial.owned('image')).length, 1, 'it is found, not made again');
      },
    },
  ],
};
