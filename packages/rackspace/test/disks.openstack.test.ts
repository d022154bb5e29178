import { describe, expect, it } from 'vitest';

import { anotherProvider, machineWorld, owned, proxied } from './machine-world.ts';
import { missing } from './openstack.ts';

const gib = 2 ** 30;

describe.skipIf(missing !== undefined)('a disk', () => {
  it('is one when the answer is lost, and is in use while it has snapshots', async () => {
    const { provider, run, labels } = await machineWorld();
    const { proxy, options } = await proxied('volumev3');
    const trouble = 'lost answer';
    proxy.fail({ method: 'POST', path: /\/volumes/, trouble });
    proxy.fail({ method: 'POST', path: /\/snapshots/, trouble });
    const behind = await anotherProvider(options);
    const disk = await behind.disks.create({ name: run, sizeBytes: gib + 1, labels });
    expect(disk.sizeBytes, 'in whole GiB').toBe(2 * gib);
    const snapshot = await behind.snapshots.create({ name: run, disk: disk.id, labels });
    expect(proxy.pending()).toBe(0);
    expect(await owned(provider, labels)).toEqual([
      `disk ${run}`,
      `image ${run}-base`,
      `snapshot ${run}`,
    ]);
    await expect(provider.disks.delete(disk.id)).rejects.toMatchObject({
      code: 'IN_USE',
      message: expect.stringContaining(snapshot.id),
    });
  });

  it('that is larger than the quota is refused, and nothing of it stays', async () => {
    const { provider, run, labels } = await machineWorld();
    const quota = (await provider.limits?.quotas())?.find(
      ({ name }) => name === 'disks and snapshots',
    );
    const sizeBytes = (quota?.limit ?? 0) + gib;
    await expect(provider.disks.create({ name: run, sizeBytes, labels })).rejects.toMatchObject({
      code: 'QUOTA_EXCEEDED',
    });
    expect(await owned(provider, labels)).toEqual([`image ${run}-base`]);
  });
});
