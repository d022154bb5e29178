import { describe, expect, it } from 'vitest';

import { addressOf, toHostKeys, toInstance } from './instance.ts';
import { toMachineImage } from './machine-image.ts';

const selfLink =
  'https://www.googleapis.com/compute/v1/projects/acme/zones/us-central1-a/instances/web';

describe('an instance', () => {
  it.each([
    ['STAGING', 'PENDING'],
    ['REPAIRING', 'PENDING'],
    ['RUNNING', 'RUNNING'],
    ['PENDING_STOP', 'STOPPING'],
    ['TERMINATED', 'STOPPED'],
    ['SUSPENDED', 'STOPPED'],
    ['DEPROVISIONING', 'DELETING'],
    ['SOMETHING_NEW', 'PENDING'],
  ])('that is %s is %s', (status, shown) => {
    expect(toInstance({ selfLink, status }, 'gce').status).toBe(shown);
  });

  it('tells why it doesn’t run', () => {
    const statusMessage = 'no capacity';
    expect(toInstance({ status: 'TERMINATED', statusMessage }, 'gce').reason).toBe(statusMessage);
    expect(toInstance({ status: 'RUNNING', statusMessage }, 'gce').reason).toBeUndefined();
    expect(toInstance({ status: 'SUSPENDED' }, 'gce').reason).toMatch(/SUSPENDED/);
  });

  it('is told in the words of the contract', () => {
    const native = {
      selfLink,
      name: 'web',
      status: 'RUNNING',
      creationTimestamp: '2026-11-21T03:00:00.000-08:00',
      machineType: `${selfLink}/../machineTypes/e2-medium`,
      labels: { role: 'web', 'imgkit-key': 'abc' },
      metadata: { items: [{ key: 'imgkit-image', value: 'projects/acme/global/images/i' }] },
      disks: [
        {
          source: selfLink.replace('instances', 'disks'),
          boot: true,
          autoDelete: true,
          diskSizeGb: '10',
        },
      ],
    };
    expect({ ...toInstance(native, 'prod'), native: undefined }).toEqual({
      id: 'projects/acme/zones/us-central1-a/instances/web',
      name: 'web',
      status: 'RUNNING',
      createdAt: '2026-11-21T11:00:00.000Z',
      labels: { role: 'web' },
      image: { provider: 'prod', id: 'projects/acme/global/images/i' },
      machineType: 'e2-medium',
      disks: [
        {
          id: 'projects/acme/zones/us-central1-a/disks/web',
          boot: true,
          sizeBytes: 10 * 2 ** 30,
          deleteWithInstance: true,
        },
      ],
      metadata: {},
    });
  });

  it('is reached from outside if it can be, or from inside when asked', () => {
    const both = {
      networkInterfaces: [{ networkIP: '10.0.0.2', accessConfigs: [{ natIP: '203.0.113.7' }] }],
    };
    expect(addressOf(both, 'external')).toBe('203.0.113.7');
    expect(addressOf(both, 'internal')).toBe('10.0.0.2');
    const inner = { networkInterfaces: [{ networkIP: '10.0.0.2' }] };
    expect(addressOf(inner, 'external')).toBe('10.0.0.2');
    expect(addressOf({}, 'external')).toBeUndefined();
  });

  it('has the host keys that its guest published, and nothing else', () => {
    const items = [
      { namespace: 'hostkeys', key: 'ssh-ed25519', value: 'AAAA+/=' },
      { namespace: 'hostkeys', key: 'ecdsa-sha2-nistp256', value: 'BBBB' },
      { namespace: 'other', key: 'ssh-rsa', value: 'CCCC' },
      { namespace: 'hostkeys', key: 'ssh-rsa', value: 'DDDD\nssh-rsa EEEE' },
      { namespace: 'hostkeys', key: 'note', value: 'FFFF' },
    ];
    expect(toHostKeys({ queryValue: { items } })).toEqual([
      'ssh-ed25519 AAAA+/=',
      'ecdsa-sha2-nistp256 BBBB',
    ]);
  });
});

describe('a machine image', () => {
  it('names its boot disk first, also in the form that older ones have', () => {
    const disks = [{ diskSizeGb: '5' }, { boot: true, diskSizeGb: '10' }];
    const held = { machineType: 'e2-medium', disks };
    for (const field of ['instanceProperties', 'sourceInstanceProperties']) {
      const { disks: shown, machineType } = toMachineImage({ [field]: held, status: 'READY' });
      expect(shown).toEqual([
        { boot: true, sizeBytes: 10 * 2 ** 30 },
        { boot: false, sizeBytes: 5 * 2 ** 30 },
      ]);
      expect(machineType).toBe('e2-medium');
    }
  });
});
