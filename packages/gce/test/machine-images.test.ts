import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';

import { user } from '@imgkit/core';

import { isGceMachineImages } from '../src/index.ts';
import { base, collect, MachineCloud, project, refusal, restorer, zone } from './machine-cloud.ts';

// Google's client reads twelve megabytes of description first, which takes a while on a busy machine.
vi.setConfig({ testTimeout: 120_000, hookTimeout: 120_000 });

const boot = { kind: 'image', image: base } as const;
const minute = 60_000;
let cloud: MachineCloud;
let gce: Awaited<ReturnType<MachineCloud['provider']>>;

beforeAll(async () => {
  cloud = await MachineCloud.start();
  gce = await cloud.provider();
});
afterAll(() => cloud[Symbol.asyncDispose]());

/** Launches a machine to take machine images of. */
async function source(name: string): Promise<string> {
  const { id } = await gce.instances.launch({
    name,
    boot,
    machineType: 'e2-small',
    disks: [{ sizeBytes: 2 ** 30 }],
    labels: { role: 'web', size: 'small' },
    metadata: { colour: 'red', shape: 'round' },
    ports: [80],
    idempotencyKey: name,
    expiresAt: new Date(cloud.now() + 24 * 60 * minute).toISOString(),
  });
  return id;
}

describe('a machine image', () => {
  it('is taken as its options say', async () => {
    const kmsKey = 'projects/p/locations/us/keyRings/r/cryptoKeys/k';
    const made = await gce.machineImages.create({
      name: 'opted',
      instance: await source('to-opt'),
      consistency: 'application',
      description: 'before the upgrade',
      labels: { kept: 'yes' },
      providerOptions: { storageLocations: ['eu'], kmsKey },
    });
    expect(made).toMatchObject({ status: 'READY', labels: { kept: 'yes' } });
    expect(cloud.lastBody('MachineImages.Insert')).toMatchObject({
      guestFlush: true,
      storageLocations: ['eu'],
      machineImageEncryptionKey: { kmsKeyName: kmsKey },
      description: 'before the upgrade',
    });
  });

  it('is made once when the answer is lost', async () => {
    const instance = await source('to-lose');
    cloud.emulator.faults.add({ rpc: 'MachineImages.Insert', kind: 'drop', when: 'after' });
    await gce.machineImages.create({ name: 'lost', instance, idempotencyKey: 'lost' });
    expect((await collect(gce.machineImages.list({ instance }))).length).toBe(1);
    expect(cloud.requests('MachineImages.Insert').length).toBeGreaterThan(1);
  });

  it('is refused too soon before Google is asked, also to another process, but never for its own key', async () => {
    const instance = await source('to-hurry');
    const request = { name: 'first', instance, idempotencyKey: 'first' };
    const first = await gce.machineImages.create(request);
    const asked = cloud.requests('MachineImages.Insert').length;
    const other = await cloud.provider();
    for (const one of [gce, other]) {
      const again = one.machineImages.create({ name: 'second', instance });
      const { code, retryAfterMs = 0, hint } = await refusal(again);
      expect(code).toBe('RATE_LIMITED');
      expect(retryAfterMs).toBeGreaterThan(5 * minute);
      expect(retryAfterMs).toBeLessThanOrEqual(10 * minute);
      expect(hint).toContain('whenTooSoon');
    }
    expect(cloud.requests('MachineImages.Insert').length).toBe(asked);
    expect((await other.machineImages.create(request)).id).toBe(first.id);
    cloud.later(11 * minute);
    const next = await gce.machineImages.create({ name: 'next', instance });
    expect((await gce.machineImages.create(request)).id, 'what stands is given at any time').toBe(
      first.id,
    );
    await gce.machineImages.delete(next.id);
    const before = cloud.requests('MachineImages.Insert').length;
    const soon = gce.machineImages.create({ name: 'third', instance });
    expect((await refusal(soon)).code, 'what is deleted counts').toBe('RATE_LIMITED');
    expect(cloud.requests('MachineImages.Insert').length).toBe(before);
  });

  it('is never in its own way when it is asked for twice at once', async () => {
    const instance = await source('to-race');
    const request = { name: 'race', instance, idempotencyKey: 'race' };
    // The second one looks around when the first one is being made.
    cloud.emulator.faults.add({ rpc: 'MachineImages.List', kind: 'delay', ms: 1_000, after: 1 });
    const made = await Promise.all([1, 2].map(() => gce.machineImages.create(request)));
    expect(new Set(made.map(({ id }) => id)).size).toBe(1);
  });

  it('is asked of Google once when two of an instance are asked for at once', async () => {
    const instance = await source('to-crowd');
    const before = cloud.requests('MachineImages.Insert').length;
    const forms = [instance, `https://www.googleapis.com/compute/v1/${instance}`];
    const made = await Promise.allSettled(
      forms.map((form, index) =>
        gce.machineImages.create({ name: `crowd-${index}`, instance: form }),
      ),
    );
    expect(made.map(({ status }) => status).toSorted()).toEqual(['fulfilled', 'rejected']);
    const refused = made.find(({ status }) => status === 'rejected');
    expect(refused).toMatchObject({ reason: { code: 'RATE_LIMITED' } });
    expect(cloud.requests('MachineImages.Insert').length).toBe(before + 1);
  });

  it('is waited for, and says until when', async () => {
    const instance = await source('to-wait');
    await gce.machineImages.create({ name: 'wait-1', instance });
    const providerOptions = { whenTooSoon: 'wait' };
    const waiting = gce.machineImages.create({ name: 'wait-2', instance, providerOptions });
    const messages = (await collect(waiting)).map(({ message }) => message);
    expect((await waiting).status).toBe('READY');
    expect(messages[0]).toMatch(/^waiting until \d{4}-\d\d-\d\dT/);
    const [newer, older] = (await collect(gce.machineImages.list({ instance })))
      .map(({ createdAt }) => Date.parse(createdAt))
      .toSorted((a, b) => b - a);
    expect((newer ?? 0) - (older ?? 0)).toBeGreaterThanOrEqual(10 * minute);
  });

  it('that Google refuses nevertheless is waited for too, or refused with a time', async () => {
    const instance = await source('to-refuse');
    const tooOften = {
      rpc: 'MachineImages.Insert',
      kind: 'operation-error',
      code: 'RESOURCE_OPERATION_RATE_EXCEEDED',
      status: 403,
    } as const;
    cloud.emulator.faults.add(tooOften);
    const error = await refusal(gce.machineImages.create({ name: 'often', instance }));
    expect(error).toMatchObject({ code: 'RATE_LIMITED', retryAfterMs: minute });
    cloud.emulator.faults.add(tooOften);
    const providerOptions = { whenTooSoon: 'wait' };
    const request = { name: 'often', instance, providerOptions, idempotencyKey: 'often' };
    expect((await gce.machineImages.create(request)).status).toBe('READY');
  });

  it('is shared by a role that is named, and everything else of its policy stays', async () => {
    const { machineImages } = gce;
    if (!isGceMachineImages(machineImages)) throw new Error('they can’t be shared');
    const { sharing } = machineImages;
    const { id } = await machineImages.create({
      name: 'shared',
      instance: await source('to-share'),
    });
    const [ann, ben] = [user('ann@acme.com'), user('ben@acme.com')];
    const admin = 'roles/compute.admin';
    await sharing.grant(id, { role: restorer, principals: [ann, ben] });
    await sharing.grant(id, { role: restorer, principals: [ann] });
    await sharing.grant(id, { role: admin, principals: [ben] });
    expect(await sharing.list(id)).toEqual([
      { principal: ann, role: restorer },
      { principal: ben, role: restorer },
      { principal: ben, role: admin },
    ]);
    await sharing.revoke(id, { role: restorer, principals: [ben] });
    await sharing.revoke(id, { role: restorer, principals: [ben] });
    expect(await sharing.list(id)).toHaveLength(2);
    for (const [role, principal] of [
      ['admin', ann],
      [admin, user('nobody')],
    ] as const) {
      const refused = sharing.grant(id, { role, principals: [principal] });
      expect((await refusal(refused)).code).toBe('INVALID_ARGUMENT');
    }
    expect((await refusal(sharing.list(`${id}-not`))).code).toBe('NOT_FOUND');
  });

  it('lets whom it is shared with make a machine of it', async () => {
    const { machineImages } = gce;
    if (!isGceMachineImages(machineImages)) throw new Error('they can’t be shared');
    const { id } = await machineImages.create({ name: 'lent', instance: await source('to-lend') });
    const ann = 'ann@acme.com';
    const member = `user:${ann}`;
    cloud.emulator
      .project('imgkit-guest')
      .setBindings([{ role: 'roles/compute.admin', members: [member] }]);
    const credentials = { kind: 'token', token: cloud.emulator.token(member) } as const;
    const theirs = await cloud.provider({ project: 'imgkit-guest', credentials });
    const restore = () => theirs.machineImages.restore({ machineImage: id, name: 'borrowed' });
    expect((await refusal(restore())).code).toMatch(/NOT_FOUND|PERMISSION_DENIED/);
    await machineImages.sharing.grant(id, { role: restorer, principals: [user(ann)] });
    const borrowed = await restore();
    expect(borrowed.id).toBe(`projects/imgkit-guest/zones/${zone}/instances/borrowed`);
  });

  it('is of an instance that is there', async () => {
    const missing = `projects/${project}/zones/${zone}/instances/nobody`;
    for (const instance of [missing, 'nobody']) {
      const error = await refusal(gce.machineImages.create({ name: 'none', instance }));
      expect(error.code).toBe('NOT_FOUND');
    }
  });
});

describe('a restored machine', () => {
  let machineImage: string;
  beforeAll(async () => {
    const instance = await source('to-restore');
    machineImage = (await gce.machineImages.create({ name: 'whole', instance })).id;
  });

  it('is what the machine image holds, but for its end and its key', async () => {
    const idempotencyKey = 'restored';
    const one = await gce.machineImages.restore({ machineImage, name: 'same', idempotencyKey });
    expect(one).toMatchObject({
      id: `projects/${project}/zones/${zone}/instances/same`,
      status: 'RUNNING',
      machineType: 'e2-small',
      labels: { role: 'web', size: 'small' },
      metadata: { colour: 'red', shape: 'round' },
    });
    expect(one.disks.length).toBe(2);
    expect(one.native).not.toHaveProperty('scheduling.terminationTime');
    const again = await gce.machineImages.restore({ machineImage, name: 'same', idempotencyKey });
    expect(again.id).toBe(one.id);
    const foreign = gce.machineImages.restore({
      machineImage,
      name: 'same',
      idempotencyKey: 'else',
    });
    expect((await refusal(foreign)).code).toBe('ALREADY_EXISTS');
  });

  it('differs where it is asked to', async () => {
    const expiresAt = new Date(cloud.now() + 2 * 60 * minute * 24).toISOString();
    const one = await gce.machineImages.restore({
      machineImage,
      name: 'different',
      machineType: { cpus: 4, memoryBytes: 5 * 2 ** 30 },
      labels: { role: 'db' },
      metadata: { colour: 'blue' },
      expiresAt,
      providerOptions: {
        zone: 'europe-west1-b',
        network: 'default',
        externalAddress: false,
        tags: ['db'],
      },
    });
    expect(one).toMatchObject({
      id: `projects/${project}/zones/europe-west1-b/instances/different`,
      machineType: 'e2-custom-4-5120',
      labels: { role: 'db' },
      metadata: { colour: 'blue', shape: 'round' },
      native: { tags: { items: ['db'] }, scheduling: { terminationTime: expiresAt } },
    });
    const { host } = await gce.instances.endpoint(one.id, 80);
    expect(host, 'no external address; the ports are still known').toMatch(/^10\./);
  });

  it('goes on being made, and its machine image, from a token', async () => {
    const { provider } = await cloud.provider();
    const instance = await source('to-resume');
    const making = gce.machineImages.create({ name: 'resumed', instance });
    const whole = await provider.resume(await making.token());
    expect(whole).toMatchObject({ id: (await making).id, status: 'READY' });
    const restoring = gce.machineImages.restore({ machineImage, name: 'resumed' });
    const one = await provider.resume(await restoring.token());
    expect(one).toMatchObject({ id: (await restoring).id, status: 'RUNNING' });
  });

  it('is a Spot machine still when it gets an end, until it is asked not to be one', async () => {
    const { id: instance } = await gce.instances.launch({
      name: 'to-spot',
      boot,
      machineType: 'e2-small',
      providerOptions: { spot: true },
    });
    const { id } = await gce.machineImages.create({ name: 'spot', instance });
    const expiresAt = new Date(cloud.now() + 24 * 60 * minute).toISOString();
    const ending = { machineImage: id, name: 'spot-ending', expiresAt };
    await gce.machineImages.restore(ending);
    const spot = { provisioningModel: 'SPOT', onHostMaintenance: 'TERMINATE' };
    const end = { terminationTime: expiresAt, instanceTerminationAction: 'DELETE' };
    expect(cloud.lastBody('Instances.Insert')).toMatchObject({
      scheduling: { ...spot, ...end, automaticRestart: false },
    });
    const providerOptions = { spot: false };
    for (const request of [
      { ...ending, name: 'standard-ending', providerOptions },
      { machineImage: id, name: 'standard', providerOptions },
    ]) {
      const { native } = await gce.machineImages.restore(request);
      expect(native).toMatchObject({
        scheduling: { provisioningModel: 'STANDARD', onHostMaintenance: 'MIGRATE' },
      });
    }
  });

  it('loses its external address alone', async () => {
    const providerOptions = { externalAddress: false };
    const one = await gce.machineImages.restore({ machineImage, name: 'inside', providerOptions });
    expect((await gce.instances.endpoint(one.id)).host).toMatch(/^10\./);
  });

  it('has no other disks, and isn’t made of what isn’t there', async () => {
    const disks = [{ sizeBytes: 2 ** 30 }];
    const more = gce.machineImages.restore({ machineImage, name: 'more', disks });
    expect((await refusal(more)).code).toBe('UNSUPPORTED');
    const gone = gce.machineImages.restore({ machineImage: `${machineImage}-not`, name: 'gone' });
    expect((await refusal(gone)).code).toBe('NOT_FOUND');
  });
});
