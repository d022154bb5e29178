import assert from 'node:assert/strict';
import { findFaults } from '../../../plugin/capability-shapes.ts';
import { capabilityNames } from '../../../spec/provider.ts';
import { assertRefused } from '../assertions.ts';
import type { ConformanceTopic } from '../topic.ts';

export const identity: ConformanceTopic = {
  name: 'identity',
  cases: [
    {
      title: 'says what it is',
      async run({ provider }) {
        assert.equal(provider.specVersion, 'v1');
        for (const part of ['kind', 'name', 'project'] as const) {
          assert.ok(provider[part].length > 0, `${part} must be there`);
        }
        await provider.check();
      },
    },
    {
      title: 'has whole capabilities, with the methods that their traits promise and no others',
      async run({ provider }) {
        const parts = ['images', 'owned', ...capabilityNames] as const;
        const faults = parts.flatMap((part) =>
          provider[part] === undefined ? [] : findFaults(part, provider[part]),
        );
        assert.deepEqual(faults, []);
        await Promise.resolve();
      },
    },
    {
      title: 'tells ids apart, and finds an id the same as itself',
      async run(trial) {
        const { provider } = trial;
        const [one, two] = [await trial.image(), await trial.image()];
        assert.equal(provider.sameId(one.ref.id, one.ref.id), true);
        assert.equal(provider.sameId(one.ref.id, two.ref.id), false);
        assert.equal(provider.sameId(two.ref.id, one.ref.id), false);
      },
    },
    {
      title: 'refuses a token that isn’t one of its own',
      async run({ provider }) {
        await assertRefused(provider, provider.resume('no token'), 'INVALID_ARGUMENT');
      },
    },
    {
      title: 'doesn’t begin a check that is cancelled already',
      async run({ provider }) {
        const signal = AbortSignal.abort();
        await assertRefused(provider, provider.check({ signal }), 'CANCELLED');
      },
    },
  ],
};
