import assert from 'node:assert/strict';
import { assertRefused } from '../assertions.ts';
import type { ConformanceTopic } from '../topic.ts';
import { launch } from './instances.ts';

export const warmStarts: ConformanceTopic = {
  name: 'warm starts',
  cases: [
    {
      title: 'have a key of their own for each image and size',
      needs: ['warmStarts'],
      async run(trial) {
        const control = trial.capability('warmStarts');
        const [first, second] = [await trial.image(), await trial.image()];
        const one = first.ref.id;
        const key = await control.key({ image: one });
        assert.equal(await control.key({ image: one }), key, 'the same for the same');
        if (first.digest === undefined || first.digest !== second.digest) {
          const other = await control.key({ image: second.ref.id });
          assert.notEqual(other, key, 'images that may differ must have other keys');
        }
        const machineType = { cpus: 3, memoryBytes: 3_221_225_472 };
        assert.notEqual(await control.key({ image: one, machineType }), key, 'another size');
        assert.equal(await control.has(key), false);
        await control.delete(key);
        assert.ok(
          control.guestScript.startsWith('#!/bin/sh') || !control.guestScript.includes('#!'),
        );
        const gone = (await trial.goneImage()).id;
        await assertRefused(trial.provider, control.save(key, gone), 'NOT_FOUND');
      },
    },
    {
      title: 'aren’t saved of a machine that doesn’t run',
      needs: ['warmStarts', 'instances'],
      machines: true,
      async run(trial) {
        const control = trial.capability('warmStarts');
        const { id, image } = await launch(trial);
        await trial.capability('instances').stop(id, { graceMs: 0 });
        const machineType = trial.world.machine?.machineType;
        const key = await control.key({ image: image?.id ?? '', machineType });
        await assertRefused(trial.provider, control.save(key, id), 'FAILED_PRECONDITION');
        assert.equal(await control.has(key), false);
      },
    },
  ],
};
