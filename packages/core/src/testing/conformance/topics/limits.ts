import assert from 'node:assert/strict';
import type { ConformanceTopic } from '../topic.ts';

export const limits: ConformanceTopic = {
  name: 'limits',
  cases: [
    {
      title: 'are numbers with a name, a unit and a source',
      needs: ['limits'],
      async run(trial) {
        const control = trial.capability('limits');
        for (const { name, value, perMs, source } of control.documented) {
          assert.ok(name.length > 0 && source.length > 0, `${name}: where is it said?`);
          assert.ok(value >= 0 && (perMs === undefined || perMs > 0), name);
        }
        for (const { name, limit, used, unit } of await control.quotas()) {
          assert.ok(name.length > 0 && unit.length > 0, `${name}: of what?`);
          assert.ok(limit >= 0 && used >= 0, `${name}: ${used} of ${limit}`);
        }
      },
    },
  ],
};
