import { describe, expect, it } from 'vitest';

import { readScheduling, runTimeOf } from './scheduling.ts';

const now = Date.parse('2026-11-21T00:00:00Z');
const hour = { maxRunDuration: { seconds: '3600' }, instanceTerminationAction: 'DELETE' };

describe('scheduling', () => {
  it('has Google’s defaults', () => {
    expect(readScheduling(undefined, now)).toEqual({
      provisioningModel: 'STANDARD',
      preemptible: false,
      automaticRestart: true,
      onHostMaintenance: 'MIGRATE',
    });
    expect(readScheduling({ provisioningModel: 'SPOT' }, now)).toEqual({
      provisioningModel: 'SPOT',
      preemptible: true,
      automaticRestart: false,
      onHostMaintenance: 'TERMINATE',
    });
  });

  it('limits the run time, by its length or by its end', () => {
    expect(runTimeOf(readScheduling(hour, now), now)).toBe(3_600_000);
    const end = { terminationTime: '2026-11-21T00:01:00Z', instanceTerminationAction: 'STOP' };
    expect(runTimeOf(readScheduling(end, now), now)).toBe(60_000);
    expect(runTimeOf({}, now)).toBeUndefined();
  });

  it.each([
    ['a Spot machine would restart', { provisioningModel: 'SPOT', automaticRestart: true }],
    ['a Spot machine would migrate', { preemptible: true, onHostMaintenance: 'MIGRATE' }],
    ['a limit has no action', { maxRunDuration: { seconds: '3600' } }],
    ['an action has no limit', { instanceTerminationAction: 'STOP' }],
    ['it has two limits', { ...hour, terminationTime: '2026-11-21T00:01:00Z' }],
    ['the limit is too short', { ...hour, maxRunDuration: { seconds: '29' } }],
    ['the limit is too long', { ...hour, maxRunDuration: { seconds: '10368001' } }],
    [
      'the end is over',
      { terminationTime: '2026-11-20T00:00:00Z', instanceTerminationAction: 'STOP' },
    ],
    ['the end is no instant', { terminationTime: 'tomorrow', instanceTerminationAction: 'STOP' }],
  ])('is refused when %s', (_, scheduling) => {
    expect(() => readScheduling(scheduling, now)).toThrow(/.+/);
  });
});
