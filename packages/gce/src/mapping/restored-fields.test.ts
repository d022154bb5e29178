import { describe, expect, it } from 'vitest';

import { restoredInterfaces, restoredScheduling } from './restored-fields.ts';

const place = { project: 'acme', scope: 'zones/us-central1-a', options: {}, expiresAt: undefined };
const expiresAt = '2027-01-01T00:00:00.000Z';
const ended = { terminationTime: '2020-01-01T00:00:00Z', instanceTerminationAction: 'DELETE' };
const standard = { provisioningModel: 'STANDARD', automaticRestart: true };
const ending = { terminationTime: expiresAt, instanceTerminationAction: 'DELETE' };
const spot = {
  provisioningModel: 'SPOT',
  preemptible: true,
  automaticRestart: false,
  onHostMaintenance: 'TERMINATE',
};

describe('how a restored machine is scheduled', () => {
  const gpu = { ...standard, onHostMaintenance: 'TERMINATE' };
  const afterAnHour = { maxRunDuration: { seconds: '3600' }, instanceTerminationAction: 'STOP' };
  const pinned = { nodeAffinities: [{ key: 'node', operator: 'IN', values: ['one'] }] };
  it.each([
    ['is as it is held', {}, spot, undefined],
    ['has no end of another machine', {}, { ...spot, ...ended }, spot],
    ['gets an end and stays Spot', { expiresAt }, spot, { ...spot, ...ending }],
    ['gets an end and stays unmovable', { expiresAt }, gpu, { ...gpu, ...ending }],
    ['has one limit', { expiresAt }, { ...gpu, ...afterAnHour }, { ...gpu, ...ending }],
    ['becomes standard', { options: { spot: false } }, spot, { provisioningModel: 'STANDARD' }],
    [
      'becomes standard with an end',
      { options: { spot: false }, expiresAt },
      { ...spot, ...pinned },
      { ...pinned, provisioningModel: 'STANDARD', ...ending },
    ],
    [
      'becomes Spot, and keeps what has nothing to do with it',
      { options: { spot: true } },
      { ...standard, ...pinned, ...afterAnHour },
      {
        ...pinned,
        provisioningModel: 'SPOT',
        automaticRestart: false,
        onHostMaintenance: 'TERMINATE',
        ...afterAnHour,
      },
    ],
  ])('%s', (_what, asked, scheduling, expected) => {
    expect(restoredScheduling({ scheduling }, { ...place, ...asked })).toEqual(expected);
  });

  it('is never migrated with accelerators', () => {
    const held = { scheduling: spot, guestAccelerators: [{ acceleratorCount: 1 }] };
    expect(restoredScheduling(held, { ...place, options: { spot: false } })).toEqual({
      provisioningModel: 'STANDARD',
      onHostMaintenance: 'TERMINATE',
    });
  });
});

describe('the network of a restored machine', () => {
  const kept = {
    network: 'n',
    subnetwork: 's',
    nicType: 'GVNIC',
    queueCount: 4,
    aliasIpRanges: [{ ipCidrRange: '/24' }],
  };
  const own = {
    name: 'nic0',
    kind: 'compute#networkInterface',
    fingerprint: 'f',
    networkIP: '10.0.0.2',
    accessConfigs: [{ name: 'old', natIP: '203.0.113.1', networkTier: 'STANDARD' }],
  };
  const access = { name: 'External NAT', type: 'ONE_TO_ONE_NAT', networkTier: 'STANDARD' };
  const restored = (externalAddress: boolean | undefined, more = {}) =>
    restoredInterfaces(
      { networkInterfaces: [{ ...kept, ...own, ...more }] },
      { ...place, options: { externalAddress } },
    );

  it('keeps all but what is the first machine’s own when the address is told', () => {
    expect(restored(undefined)).toBeUndefined();
    expect(restored(false)).toEqual([kept]);
    expect(restored(true)).toEqual([{ ...kept, accessConfigs: [access] }]);
  });

  it('has external addresses of both protocols, or of none', () => {
    const both = {
      stackType: 'IPV4_IPV6',
      ipv6AccessType: 'EXTERNAL',
      ipv6AccessConfigs: [{ externalIpv6: '2001:db8::1', networkTier: 'PREMIUM' }],
    };
    expect(restored(false, both)).toEqual([{ ...kept, stackType: 'IPV4_ONLY' }]);
    expect(restored(true, both)).toEqual([
      {
        ...kept,
        stackType: 'IPV4_IPV6',
        accessConfigs: [access],
        ipv6AccessConfigs: [{ name: 'External IPv6', type: 'DIRECT_IPV6', networkTier: 'PREMIUM' }],
      },
    ]);
  });
});
