import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest';

import { base, MachineCloud, project, refusal, zone } from './machine-cloud.ts';

// Google's client reads twelve megabytes of description first, which takes a while on a busy machine.
vi.setConfig({ testTimeout: 120_000, hookTimeout: 120_000 });

const boot = { kind: 'image', image: base } as const;
let cloud: MachineCloud;
let gce: Awaited<ReturnType<MachineCloud['provider']>>;

beforeAll(async () => {
  cloud = await MachineCloud.start(({ rpc }) => (rpc === 'Instances.Reset' ? 600_000 : 5));
  gce = await cloud.provider();
});
afterEach(() => {
  cloud.emulator.faults.clear();
});
afterAll(() => cloud[Symbol.asyncDispose]());

/** A failure of Google's that says nothing. */
const trouble = {
  kind: 'operation-error',
  code: 'INTERNAL_ERROR',
  message: 'Internal error.',
} as const;

describe('what could not be made is explained', () => {
  it('by who uses the disk', async () => {
    const disk = await gce.disks.create({ name: 'wanted', sizeBytes: 2 ** 30 });
    const disks = [{ disk: disk.id }];
    const { id } = await gce.instances.launch({ name: 'holder', boot, disks });
    const error = await refusal(gce.instances.launch({ name: 'late', boot, disks }));
    expect(error).toMatchObject({
      code: 'IN_USE',
      data: { diagnosis: { disks: [{ id: disk.id, users: [id] }] } },
    });
    expect(error.hint).toContain(`${disk.id} is used by ${id}.`);
  });

  it('by the quota that is used up', async () => {
    cloud.emulator.project(project).setQuota('CPUS', 3, 'us-central1');
    try {
      const big = { name: 'big', boot, machineType: 'e2-standard-8' };
      const error = await refusal(gce.instances.launch(big));
      expect(error.code).toBe('QUOTA_EXCEEDED');
      const quotas = [{ metric: 'CPUS', limit: 3 }];
      expect(error.data).toMatchObject({ diagnosis: { quotas } });
      expect(error.hint).toMatch(/of 3 CPUS are used\./);
    } finally {
      cloud.emulator.project(project).setQuota('CPUS', 1000, 'us-central1');
    }
  });

  it('by the quota of disks and of snapshots', async () => {
    const quotas = cloud.emulator.project(project);
    const disk = await gce.disks.create({ name: 'counted', sizeBytes: 2 ** 30 });
    quotas.setQuota('SNAPSHOTS', 0);
    quotas.setQuota('SSD_TOTAL_GB', 2, 'us-central1');
    try {
      for (const [metric, call] of [
        ['SNAPSHOTS', gce.snapshots.create({ name: 'counted', disk: disk.id })],
        ['SSD_TOTAL_GB', gce.disks.create({ name: 'huge', sizeBytes: 2 ** 42 })],
      ] as const) {
        const { code, data } = await refusal(call);
        expect(code).toBe('QUOTA_EXCEEDED');
        expect(data).toMatchObject({ diagnosis: { quotas: [{ metric }] } });
      }
    } finally {
      quotas.setQuota('SNAPSHOTS', 1000);
      quotas.setQuota('SSD_TOTAL_GB', 100_000, 'us-central1');
    }
  });

  it('by the permission that is missing', async () => {
    const member = 'user:viewer@acme.com';
    cloud.emulator
      .project(project)
      .setBindings([{ role: 'roles/compute.viewer', members: [member] }]);
    const credentials = { kind: 'token', token: cloud.emulator.token(member) } as const;
    const viewer = await cloud.provider({ credentials });
    const error = await refusal(viewer.instances.launch({ name: 'denied', boot }));
    expect(error.code).toBe('PERMISSION_DENIED');
    expect(error.data).toMatchObject({
      diagnosis: {
        permissions: expect.arrayContaining([
          'compute.instances.create',
          'compute.images.useReadOnly',
        ]),
      },
    });
  });

  it('by what the machine says, and prints', async () => {
    const { id } = await gce.instances.launch({ name: 'sick', boot });
    await gce.instances.stop(id);
    cloud.emulator.faults.add({ rpc: 'Instances.Start', ...trouble });
    const error = await refusal(gce.instances.start(id));
    expect(error.code).toBe('OPERATION_FAILED');
    expect(error.message).toBe('Internal error.');
    expect(error.data).toMatchObject({
      diagnosis: {
        instance: { status: 'TERMINATED' },
        console: [expect.stringContaining('sick boots')],
      },
    });
  });

  it('by what Google is still busy with', async () => {
    const machines = ['busy', 'bystander'].map((name) => gce.instances.launch({ name, boot }));
    for (const machine of machines) {
      const { id } = await machine;
      await fetch(`${cloud.emulator.endpoint}/compute/v1/${id}/reset`, { method: 'POST' });
    }
    const [busy] = machines;
    const { id = '' } = (await busy) ?? {};
    cloud.emulator.faults.add({ rpc: 'Instances.Stop', ...trouble });
    const error = await refusal(gce.instances.stop(id));
    expect(error.data).toMatchObject({
      diagnosis: { operations: [{ type: 'reset', target: id }] },
    });
    expect(error.hint).toBe(`Google is still busy with ${id}: reset.`);
  });

  it('without ever hiding why, and with a few calls only', async () => {
    const { id } = await gce.instances.launch({ name: 'dark', boot });
    await gce.instances.stop(id);
    cloud.emulator.faults.add({ rpc: 'Instances.Start', ...trouble });
    for (const rpc of ['Instances.GetSerialPortOutput', 'ZoneOperations.List'])
      cloud.emulator.faults.add({
        rpc,
        kind: 'status',
        status: 403,
        reason: 'forbidden',
        times: Infinity,
      });
    const before = cloud.emulator.requests.length;
    const error = await refusal(gce.instances.start(id));
    expect(error).toMatchObject({ code: 'OPERATION_FAILED', message: 'Internal error.' });
    expect(error.data).toMatchObject({ diagnosis: { instance: { status: 'TERMINATED' } } });
    // The start, its wait, and what was looked at.
    expect(cloud.emulator.requests.length - before).toBeLessThanOrEqual(8);
  });

  it('and what the caller got wrong is not looked into', async () => {
    const before = cloud.emulator.requests.length;
    const missing = { kind: 'disk', disk: `projects/${project}/zones/${zone}/disks/none` } as const;
    const error = await refusal(gce.instances.launch({ name: 'wrong', boot: missing }));
    expect(error.code).toBe('NOT_FOUND');
    expect(cloud.emulator.requests.length - before).toBe(1);
  });
});
