import { FakeClock } from '@imgkit/core/testing';
import { describe, expect, it } from 'vitest';

import { rateGroupOf } from './rate-groups.ts';
import { Throttle } from './throttle.ts';

describe('the group a method counts in', () => {
  it.each([
    ['Images.Get', 'reads'],
    ['Images.GetFromFamily', 'reads'],
    ['Images.List', 'lists'],
    ['Images.Insert', 'resource-writes'],
    ['Images.Deprecate', 'resource-writes'],
    ['Images.SetLabels', 'resource-writes'],
    ['Images.Patch', 'queries'],
    ['Images.SetIamPolicy', 'queries'],
    ['MachineImages.Delete', 'resource-writes'],
    ['Disks.CreateSnapshot', 'resource-writes'],
    ['Instances.AggregatedList', 'heavy-reads'],
    ['Instances.Insert', 'queries'],
    ['Instances.GetSerialPortOutput', 'serial-port'],
    ['InstanceGroupManagers.ListManagedInstances', 'queries'],
    ['GlobalOperations.Get', 'operation-reads'],
    ['GlobalOperations.Wait', 'operation-reads'],
    ['ZoneOperations.Wait', 'heavy-reads'],
    ['regionOperations.wait', 'heavy-reads'],
  ])('of %s is %s', (rpc, group) => {
    expect(rateGroupOf(rpc)).toBe(group);
  });
});

describe('the throttle', () => {
  const clock = new FakeClock();
  const throttle = new Throttle({ clock, rates: { reads: 20 } });
  const read = { rpc: 'Images.Get', project: 'a' };

  /** Whether a request passes without waiting. */
  async function passes(request: { rpc: string; project: string; region?: string }) {
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
    expect(await passes({ rpc: 'Snapshots.Get', project: 'a' })).toBe(false); // the same group
    expect(await passes({ rpc: 'Images.List', project: 'a' })).toBe(true);
    expect(await passes({ rpc: 'Images.Get', project: 'b' })).toBe(true);
    expect(await passes({ rpc: 'Disks.Get', project: 'a', region: 'europe-west1' })).toBe(true);
  });

  it('stops only the group that was refused', async () => {
    throttle.refused({ rpc: 'Images.Insert', project: 'a' }, 5000);
    expect(await passes({ rpc: 'Images.Deprecate', project: 'a' })).toBe(false);
    expect(await passes({ rpc: 'Images.Patch', project: 'a' })).toBe(true);
    await clock.advance(7000);
    expect(await passes({ rpc: 'Images.Deprecate', project: 'a' })).toBe(true);
  });
});
