import { describe, expect, it } from 'vitest';

import { createGceWorld, instanceBody, project, zone } from '../../../test/gce-world.ts';

describe("disks and snapshots, through Google's own client", () => {
  const world = createGceWorld();
  const disk = (name: string, more: object = {}) =>
    world.run('disks', 'insert', { diskResource: { name, ...more } });

  it('are made empty, of images and of snapshots, and no smaller than those', async () => {
    await disk('empty', { sizeGb: 5 });
    await world.run('disks', 'insert', {
      sourceImage: 'global/images/family/base',
      diskResource: { name: 'of-image', type: `zones/${zone}/diskTypes/pd-ssd` },
    });
    await world.run('disks', 'createSnapshot', { disk: 'empty', snapshotResource: { name: 's1' } });
    await disk('of-snapshot', { sourceSnapshot: 'global/snapshots/s1', labels: { a: 'b' } });
    const made = await world.read('disks', 'list', {});
    expect(made['items']).toMatchObject([
      { name: 'empty', sizeGb: '5', status: 'READY', zone: expect.stringContaining(zone) },
      { name: 'of-image', sizeGb: '10', sourceImage: expect.stringMatching(/images\/base-1$/) },
      { name: 'of-snapshot', sizeGb: '5', sourceSnapshot: expect.stringMatching(/s1$/) },
    ]);
    await expect(disk('small', { sizeGb: 9, sourceImage: 'global/images/base-1' })).rejects.toThrow(
      /smaller than the image size \(10 GB\)/,
    );
    await expect(disk('none', { sourceImage: 'global/images/none' })).rejects.toThrow(/not found/);
    await expect(disk('empty')).rejects.toMatchObject({ httpStatusCode: 409 });
    const copy = disk('copy', { sourceDisk: `zones/${zone}/disks/empty` });
    await expect(copy, 'never silently something else').rejects.toThrow(
      /sourceDisk is not emulated/,
    );
  });

  it('are snapshotted with what a snapshot tells, six times in an hour', async () => {
    await disk('often', { sizeGb: 4 });
    const take = (name: string) => {
      const snapshotResource = { name, sourceDisk: `zones/${zone}/disks/often` };
      return world.run('snapshots', 'insert', { snapshotResource });
    };
    for (const count of [1, 2, 3, 4, 5, 6]) await take(`often-${count}`);
    await expect(take('often-7')).rejects.toThrow(/403.*RESOURCE_OPERATION_RATE_EXCEEDED/);
    const snapshot = await world.read('snapshots', 'get', { snapshot: 'often-1' });
    expect(snapshot).toMatchObject({
      status: 'READY',
      diskSizeGb: '4',
      storageLocations: ['us'],
      sourceDisk: expect.stringMatching(/disks\/often$/),
    });
    await expect(world.read('snapshots', 'get', { snapshot: 'often-7' })).rejects.toThrow(/found/);
    await world.clock.advance(3_600_000);
    const snapshotResource = { name: 'often-8' };
    await world.run('disks', 'createSnapshot', { disk: 'often', snapshotResource });
  });

  it('grow, and never shrink', async () => {
    await disk('grows', { sizeGb: 5 });
    const resize = (sizeGb: number) =>
      world.run('disks', 'resize', { disk: 'grows', disksResizeRequestResource: { sizeGb } });
    await resize(6);
    expect(await world.read('disks', 'get', { disk: 'grows' })).toMatchObject({ sizeGb: '6' });
    await expect(resize(5)).rejects.toThrow(/at least the current size/);
  });

  it('are not deleted while an instance has them', async () => {
    await disk('data', { sizeGb: 1 });
    const disks = [
      { boot: true, initializeParams: { sourceImage: 'global/images/base-1' } },
      { source: `zones/${zone}/disks/data` },
    ];
    const instanceResource = instanceBody('has-data', { disks });
    await world.run('instances', 'insert', { instanceResource });
    const users = [expect.stringMatching(/zones\/us-central1-a\/instances\/has-data$/)];
    expect(await world.read('disks', 'get', { disk: 'data' })).toMatchObject({ users });
    const remove = () => world.run('disks', 'delete', { disk: 'data' });
    await expect(remove()).rejects.toMatchObject({
      httpStatusCode: 400,
      message: expect.stringContaining(
        `The disk resource 'projects/${project}/zones/${zone}/disks/data' is already being used by`,
      ),
    });
    const second = instanceBody('second', { disks });
    await expect(world.begin('instances', 'insert', { instanceResource: second })).rejects.toThrow(
      /already being used by/,
    );
    await world.run('instances', 'delete', { instance: 'has-data' });
    const free = await world.read('disks', 'get', { disk: 'data' });
    expect(free['users'], 'a disk that stood before stays').toEqual([]);
    const kept = await world.read('disks', 'get', { disk: 'has-data' });
    expect(kept, 'so does one without autoDelete').toMatchObject({ status: 'READY' });
    await remove();
    await expect(world.read('disks', 'get', { disk: 'data' })).rejects.toThrow(/not found/);
  });

  it('count for their quotas', async () => {
    const { quotas } = await world.read('regions', 'get', {});
    expect(quotas).toContainEqual(expect.objectContaining({ metric: 'SSD_TOTAL_GB', usage: 10 }));
    world.emulator.project(project).setQuota('SSD_TOTAL_GB', 15);
    const type = `zones/${zone}/diskTypes/pd-balanced`;
    await expect(disk('too-much', { sizeGb: 6, type })).rejects.toThrow(
      /Quota 'SSD_TOTAL_GB' exceeded/,
    );
    await disk('just-fits', { sizeGb: 5, type });
  });
});
