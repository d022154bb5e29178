import { FakeClock } from '@imgkit/core/testing';
import { describe, expect, it } from 'vitest';

import { rateGroupOf } from './rate-groups.ts';
import type { CountedRequest } from '../client.ts';
import { RateThrottle } from './throttle.ts';

describe('the group a method counts in', () => {
  it.each([
    ['images', 'get', 'reads'],
    ['images', 'getFromFamily', 'reads'],
    ['images', 'list', 'lists'],
    ['images', 'insert', 'resource-writes'],
    ['images', 'deprecate', 'resource-writes'],
    ['images', 'setLabels', 'resource-writes'],
    ['images', 'patch', 'queries'],
    ['images', 'setIamPolicy', 'queries'],
    ['machineImages', 'delete', 'resource-writes'],
    ['disks', 'createSnapshot', 'resource-writes'],
    ['instances', 'aggregatedList', 'heavy-reads'],
    ['instances', 'insert', 'queries'],
    ['instances', 'getSerialPortOutput', 'serial-port'],
    ['instanceGroupManagers', 'listManagedInstances', 'queries'],
    ['globalOperations', 'get', 'operation-reads'],
    ['globalOperations', 'wait', 'operation-reads'],
    ['zoneOperations', 'wait', 'heavy-reads'],
    ['regionOperations', 'wait', 'heavy-reads'],
  ] as const)('of %s.%s is %s', (service, method, group) => {
    expect(rateGroupOf(service, method)).toBe(group);
  });
});

describe('the throttle', () => {
  const clock = new FakeClock();
  const throttle = new RateThrottle({ clock, rates: { reads: 20 } });
  const read = { service: 'images', method: 'get', project: 'a' } as const;

  /** Whether a request passes without waiting. */
  async function passes(request: CountedRequest) {
    const stop = new AbortController();
    const entered = throttle.enter(request, { signal: stop.signal }).then(
      () => true,
      () => false,
    );
    await clock.advance(0);
    stop.abort();
    return entered;
  }

  it('counts each group, project and region by itself', async () => {
    expect(await passes(read)).toBe(true);
    expect(await passes(read)).toBe(false);
    expect(await passes({ service: 'snapshots', method: 'get', project: 'a' })).toBe(false); // the same group
    expect(await passes({ service: 'images', method: 'list', project: 'a' })).toBe(true);
    expect(await passes({ service: 'images', method: 'get', project: 'b' })).toBe(true);
    expect(
      await passes({ service: 'disks', method: 'get', project: 'a', region: 'europe-west1' }),
    ).toBe(true);
  });

  it('stops only the group that was refused', async () => {
    throttle.refused({ service: 'images', method: 'insert', project: 'a' }, 5000);
    expect(await passes({ service: 'images', method: 'deprecate', project: 'a' })).toBe(false);
    expect(await passes({ service: 'images', method: 'patch', project: 'a' })).toBe(true);
    await clock.advance(7000);
    expect(await passes({ service: 'images', method: 'deprecate', project: 'a' })).toBe(true);
  });
});
