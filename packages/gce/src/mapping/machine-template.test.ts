import { ImgkitError, type MachineTemplate } from '@imgkit/core';
import { describe, expect, it } from 'vitest';

import { readMachineOptions } from './machine-options.ts';
import { toMachine, type MachinePlan } from './machine-template.ts';

const image = { provider: 'gce', id: 'projects/acme/global/images/web-1' };
const template: MachineTemplate = { boot: { kind: 'image', image } };
const zone = 'zones/us-central1-a';

function machine(
  wishes: Partial<MachineTemplate> = {},
  plan: Partial<MachinePlan> = {},
): Record<string, unknown> {
  const options = readMachineOptions(wishes.providerOptions);
  const name = plan.scope === 'global' ? undefined : 'web';
  const whole = {
    project: 'acme',
    scope: zone,
    name,
    labels: { a: 'b' },
    options,
    launch: 'x',
    ...plan,
  };
  return toMachine({ ...template, ...wishes }, whole);
}

/** The network of a machine, as it is sent. */
function interfaces(providerOptions?: Record<string, unknown>): unknown {
  return JSON.parse(JSON.stringify(machine({ providerOptions })['networkInterfaces']));
}

const refused = expect.toSatisfy((error) => ImgkitError.is(error, 'INVALID_ARGUMENT'));

describe('a machine', () => {
  it('has URLs of its zone, and names in a template', () => {
    const providerOptions = { diskType: 'pd-ssd', subnet: 'inner' };
    expect(machine({ machineType: 'n2-standard-2', providerOptions })).toMatchObject({
      machineType: `projects/acme/${zone}/machineTypes/n2-standard-2`,
      disks: [{ initializeParams: { diskType: `projects/acme/${zone}/diskTypes/pd-ssd` } }],
      networkInterfaces: [{ subnetwork: 'projects/acme/regions/us-central1/subnetworks/inner' }],
    });
    const inTemplate = { machineType: 'n2-standard-2', providerOptions: { diskType: 'pd-ssd' } };
    expect(machine(inTemplate, { scope: 'global' })).toMatchObject({
      machineType: 'n2-standard-2',
      disks: [{ initializeParams: { diskType: 'pd-ssd' } }],
    });
    expect(() => machine({ providerOptions }, { scope: 'global' })).toThrow(refused);
  });

  it('boots from an image, a snapshot or a disk, and only keeps the disk', () => {
    expect(machine({ bootDiskSizeBytes: 2 ** 30 + 1 })).toMatchObject({
      disks: [
        {
          boot: true,
          autoDelete: true,
          initializeParams: { sourceImage: image.id, diskSizeGb: '2' },
        },
      ],
    });
    expect(machine({ boot: { kind: 'snapshot', snapshot: 's' } })).toMatchObject({
      disks: [{ autoDelete: true, initializeParams: { sourceSnapshot: 's' } }],
    });
    const boot = { kind: 'disk', disk: 'd' } as const;
    expect(machine({ boot })['disks']).toEqual([{ boot: true, autoDelete: false, source: 'd' }]);
    expect(() => machine({ boot, bootDiskSizeBytes: 2 ** 40 })).toThrow(refused);
  });

  it('has its further disks under names of their own, labelled', () => {
    const name = 'x'.repeat(63);
    const disks = [
      { disk: 'd' },
      { sizeBytes: 1, deleteWithInstance: false },
      { sizeBytes: 2 ** 30 },
    ];
    expect(machine({ disks }, { name })['disks']).toMatchObject([
      { boot: true, initializeParams: { diskName: name, labels: { a: 'b' } } },
      { boot: false, autoDelete: false, source: 'd' },
      {
        autoDelete: false,
        initializeParams: {
          diskName: `${'x'.repeat(56)}-disk-2`,
          diskSizeGb: '1',
          labels: { a: 'b' },
        },
      },
      { autoDelete: true, initializeParams: { diskName: `${'x'.repeat(56)}-disk-3` } },
    ]);
    expect(() => machine({ disks: [{ sizeBytes: 0 }] })).toThrow(refused);
  });

  it('is on the default network with an external address, unless told otherwise', () => {
    expect(interfaces()).toEqual([
      {
        network: 'projects/acme/global/networks/default',
        accessConfigs: [{ name: 'External NAT', type: 'ONE_TO_ONE_NAT' }],
      },
    ]);
    expect(interfaces({ network: 'shared', externalAddress: false })).toEqual([
      { network: 'projects/acme/global/networks/shared' },
    ]);
    const subnet = 'projects/host/regions/us-central1/subnetworks/s';
    expect(interfaces({ subnet, externalAddress: false })).toEqual([{ subnetwork: subnet }]);
  });

  it('ends by itself, and is run as told', () => {
    expect(machine()).toMatchObject({ scheduling: undefined, serviceAccounts: undefined });
    const expiresAt = '2026-11-21T12:00:00.000Z';
    expect(machine({}, { expiresAt })['scheduling']).toEqual({
      terminationTime: expiresAt,
      instanceTerminationAction: 'DELETE',
    });
    const providerOptions = { spot: true, serviceAccount: 'a@b.c', shielded: { secureBoot: true } };
    expect(machine({ providerOptions })).toMatchObject({
      scheduling: { provisioningModel: 'SPOT', instanceTerminationAction: 'STOP' },
      serviceAccounts: [
        { email: 'a@b.c', scopes: ['https://www.googleapis.com/auth/cloud-platform'] },
      ],
      shieldedInstanceConfig: { enableSecureBoot: true },
    });
    expect(machine({ providerOptions }, { expiresAt })).toMatchObject({
      scheduling: { provisioningModel: 'SPOT', instanceTerminationAction: 'DELETE' },
    });
  });

  it.each([{ colour: 'red' }, { spot: 'yes' }, { scopes: ['compute'] }])(
    'has no options like %o',
    (providerOptions) => {
      expect(() => machine({ providerOptions })).toThrow(refused);
    },
  );
});
