import { describe, expect, it, vi } from 'vitest';

import { isAzureFleets, isAzureImages, isAzureMachineImages } from '../src/index.ts';
import { gallery, group, otherSubscription, source, startAzure } from './emulated-azure.ts';
import { checked, complaints, galleries, isPublished, unpublished } from './published-api.ts';

describe('what the adapter sends', () => {
  it('is what Azure’s published descriptions take', async ({ skip }) => {
    skip(!isPublished, unpublished);
    await using cloud = await startAzure();
    const { emulator } = cloud;
    const { images, disks, snapshots, publishing, deprecation, sharing } = await cloud.provider({
      onObsolete: 'revoke-access',
    });
    const encryptionSet = `${group}/providers/Microsoft.Compute/diskEncryptionSets/keys`;
    const providerOptions = {
      targetRegions: [
        'eastus',
        {
          name: 'westus',
          replicaCount: 2,
          storageAccountType: 'Standard_ZRS',
          excludeFromLatest: true,
          diskEncryptionSetId: encryptionSet,
          dataDiskEncryption: [{ lun: 1, diskEncryptionSetId: encryptionSet }],
          confidentialVm: {
            encryptionType: 'EncryptedWithCmk',
            diskEncryptionSetId: encryptionSet,
          },
        },
      ],
    };
    const request = {
      name: 'web-1',
      family: 'web',
      version: '1',
      staged: true,
      source,
      providerOptions,
    };
    const { ref } = await images.create(request);
    await publishing?.publish(ref.id, { family: 'web' });
    await deprecation?.set(ref.id, {
      state: 'DEPRECATED',
      dates: { obsolete: '2031-01-01T00:00:00Z' },
    });
    const disk = await disks?.create({ name: 'data', source: { kind: 'image', image: ref } });
    await snapshots?.create({ name: 'backup', disk: disk?.id ?? '' });

    const plan = { name: 'pro', publisher: 'acme', product: 'linux' };
    const bought = { publisher: 'acme', offer: 'linux', sku: 'pro', version: '1.0.0' };
    emulator.addMarketplaceImage({ ...bought, plan });
    emulator.acceptTerms(plan);
    const image = { provider: 'azure', id: 'acme:linux:pro:latest' };
    await images.create({ name: 'pro-1', source: { kind: 'image', image } });
    const robot = { kind: 'service-account', id: '0b0b0b0b-1111-2222-3333-444444444444' } as const;
    await sharing?.grant(ref.id, [robot], { allowWider: true });
    await deprecation?.set(ref.id, { state: 'OBSOLETE' });
    if (!isAzureImages(images)) throw new Error('they are Azure’s');
    await images.replication.change(ref.id, { set: ['uksouth'], remove: ['westus'] });
    const softDeletePolicy = { isSoftDeleteEnabled: true };
    emulator.seed(gallery, {
      properties: { softDeletePolicy, sharingProfile: { permissions: 'Groups' } },
    });
    await images.delete(ref.id);
    await images.deleted.restore(ref.id);
    const direct = await cloud.provider({ shareBy: 'direct' });
    const them = { kind: 'project', id: otherSubscription } as const;
    await images.replication.change(ref.id, { remove: [] });
    await direct.sharing?.grant(ref.id, [them], { allowWider: true });

    const { found, wrong } = checked(cloud.emulator.requests);
    expect(wrong).toEqual([]);
    expect(found).toEqual([
      'Disks.CreateOrUpdate',
      'Disks.Delete',
      'GalleryImageVersions.CreateOrUpdate',
      'GalleryImageVersions.Delete',
      'GalleryImageVersions.Update',
      'GalleryImages.CreateOrUpdate',
      'GalleryImages.Update',
      'GallerySharingProfile.Update',
      'RoleAssignments.Create',
      'RoleAssignments.Delete',
      'Snapshots.CreateOrUpdate',
    ]);
    // It would notice.
    const schema = { $ref: '#/definitions/GalleryImageVersion' };
    const bad = { properties: { publishingProfile: { surprise: 1, replicationMode: 'Half' } } };
    expect([...complaints(bad, galleries, schema, 'body')]).toEqual([
      'body.properties.publishingProfile.surprise is not known',
      "body.properties.publishingProfile.replicationMode can't be Half",
      'body.properties.storageProfile is missing',
      'body.location is missing',
    ]);
  });

  it('to machines, fleets and machine images is so, too', async ({ skip }) => {
    skip(!isPublished, unpublished);
    await using cloud = await startAzure({
      operationMs: ({ rpc }) => (rpc.endsWith('.Batch') ? 150 : 2),
      guest: ({ script }) => ({
        stdout: 'imgkit-deprovision: begun\n',
        console: /imgkit-deprovision: \w+ done/.exec(script)?.[0],
        powersOff: true,
      }),
    });
    const provider = await cloud.provider();
    const { images, instances, fleets, machineImages, usage, limits } = provider;
    if (!isAzureFleets(fleets) || !isAzureMachineImages(machineImages)) throw new Error('others');
    const make = (version: string) =>
      images.create({ name: `web-${version}`, family: 'web', version, source });
    const [one, two] = [await make('1.0.0'), await make('2.0.0')];
    const template = { boot: { kind: 'image', image: one.ref } } as const;

    const machine = await instances?.launch({
      name: 'vm-1',
      ...template,
      disks: [{ sizeBytes: 2 ** 30 }],
      authorizedKeys: [{ user: 'ann', publicKey: 'ssh-ed25519 AAAA ann@here' }],
      startupScript: '#!/bin/sh\necho hi',
      metadata: { role: 'web' },
      ports: [80],
      providerOptions: { zone: '1' },
    });
    const id = machine?.id ?? '';
    await instances?.console?.(id);
    await instances?.endpoint(id);
    const point = await machineImages.create({
      name: 'backup',
      instance: id,
      consistency: 'application',
    });
    const copy = await machineImages.copy(point.id, { name: 'copy', location: 'westeurope' });
    await machineImages.restore({ machineImage: point.id, name: 'vm-2' });
    await machineImages.delete(copy.id);
    await instances?.stop(id);
    await instances?.start(id);
    await images.create({
      name: 'captured',
      source: { kind: 'instance', instance: id },
      providerOptions: { generalize: true },
    });
    await instances?.delete(id);

    const health = { protocol: 'http', port: 80, path: '/healthz' } as const;
    const next = { boot: { kind: 'image', image: two.ref } } as const;
    const batches = { mode: 'rolling', health, rolling: { maxBatchPercent: 50, pauseSeconds: 1 } };
    for (const [name, providerOptions] of [
      ['by-hand', {}],
      ['batches', batches],
      ['at-once', { mode: 'automatic' }],
    ] as const) {
      const fleet = await fleets.create({ name, size: 1, template, providerOptions });
      await fleets.resize(fleet.id, 2);
      await fleets.rollOut({ fleet: fleet.id, template: { ...next, startupScript: '#!/bin/sh' } });
      await fleets.delete(fleet.id);
    }
    // Of the latest version: what no model says is begun by hand.
    for (const [name, providerOptions] of [
      ['batches', batches],
      ['at-once', { mode: 'automatic' }],
    ] as const) {
      const latest = { ...providerOptions, boot: 'latest' };
      const { id: fleet } = await fleets.create({
        name,
        size: 2,
        template,
        providerOptions: latest,
      });
      const newest = await make(name === 'batches' ? '3.0.0' : '4.0.0');
      const newer = { boot: { kind: 'image', image: newest.ref } } as const;
      const ended = Promise.allSettled([fleets.rollOut({ fleet, template: newer })]);
      // Only what has begun can be cancelled.
      const cancel = async () => (await Promise.allSettled([fleets.cancel(fleet)]))[0].status;
      if (name === 'batches')
        await vi.waitUntil(async () => (await cancel()) === 'fulfilled', { timeout: 15_000 });
      await ended;
    }
    await usage?.of(one.ref.id);
    await limits?.quotas?.();
    const { found, wrong } = checked(cloud.emulator.requests);
    expect(wrong).toEqual([]);
    expect(found).toEqual([
      'Disks.CreateOrUpdate',
      'GalleryImageVersions.CreateOrUpdate',
      'GalleryImages.CreateOrUpdate',
      'RestorePointCollections.CreateOrUpdate',
      'RestorePointCollections.Delete',
      'RestorePoints.Create',
      'VirtualMachineScaleSetRollingUpgrades.Cancel',
      'VirtualMachineScaleSetRollingUpgrades.StartOSUpgrade',
      'VirtualMachineScaleSets.CreateOrUpdate',
      'VirtualMachineScaleSets.Delete',
      'VirtualMachineScaleSets.DeleteInstances',
      'VirtualMachineScaleSets.Reimage',
      'VirtualMachineScaleSets.Update',
      'VirtualMachines.CreateOrUpdate',
      'VirtualMachines.Deallocate',
      'VirtualMachines.Delete',
      'VirtualMachines.Generalize',
      'VirtualMachines.RetrieveBootDiagnosticsData',
      'VirtualMachines.RunCommand',
      'VirtualMachines.Start',
    ]);
  });
});
