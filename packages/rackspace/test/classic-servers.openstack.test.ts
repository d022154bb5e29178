import { randomBytes } from 'node:crypto';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';

import type { Image } from '@imgkit/core';
import { describe, expect, it, onTestFinished } from 'vitest';
import { z } from 'zod';

import { hasImageSchedules, isGlanceImage } from '../src/index.ts';
import { publicNetwork } from './classic/server-service.ts';
import { classicCloud, classicOptions, classicProvider } from './classic.ts';
import { killedProgram } from './killed.ts';
import { kitOf, missing, scratch } from './openstack.ts';

const day = 86_400_000;

/** An account with an image of ours, and what asks the cloud beside the adapter. */
async function world() {
  const cloud = await classicCloud();
  const kit = await kitOf(await classicProvider('images'));
  const provider = kit.providers.get('images');
  const { instances, fleets, images } = provider;
  if (instances === undefined || fleets === undefined) throw new Error('no instances');
  const run = `t-${randomBytes(4).toString('hex')}`;
  const labels = { 'imgkit-run': run };
  const file = join(await scratch(), 'disk.raw');
  await writeFile(file, randomBytes(1 << 20));
  onTestFinished(async () => {
    for await (const { kind, id } of provider.owned.list(labels))
      await provider.owned.delete(kind, id);
  });
  const account = cloud.accounts.find('images');
  if (account === undefined) throw new Error('no account');
  const { id: token } = await cloud.accounts.issue(account);
  const create = (name: string): PromiseLike<Image> =>
    images.create({
      name: `${run}-${name}`,
      source: { kind: 'file', file },
      labels,
      family: `${run}-${name}`,
      version: '1',
    });
  return {
    cloud,
    kit,
    provider,
    instances,
    fleets,
    images,
    labels,
    run,
    create,
    template: (image: Image) =>
      ({ boot: { kind: 'image', image: image.ref }, machineType: 'tiny', labels }) as const,
    ask: async (path: string, init: RequestInit = {}): Promise<Response> => {
      const [service = '', version = '', ...rest] = path.split('/');
      const place = [cloud.origin, service, version, account.number, ...rest].join('/');
      const headers = { 'x-auth-token': token, ...Object(init.headers) };
      return fetch(place, { ...init, headers });
    },
  };
}

/** The images that the cloud's schedule made of a server. */
async function scheduled(images: Awaited<ReturnType<typeof world>>['images'], run: string) {
  const found: Image[] = [];
  for await (const image of images.list())
    if (image.name.startsWith(`daily-${run}`)) found.push(image);
  return found;
}

describe.skipIf(missing !== undefined)('images that the cloud makes by its schedule', () => {
  it('are set, read and ended, and are never imgkit’s', async () => {
    const { cloud, kit, provider, instances, images, labels, run, create, template } =
      await world();
    if (!hasImageSchedules(images)) throw new Error('no schedules');
    const { schedules } = images;
    const base = await create('base');
    const { id } = await instances.launch({ ...template(base), name: run });
    expect(await schedules.get(id)).toBeUndefined();
    await expect(schedules.set(id, { retention: 0 })).rejects.toMatchObject({
      code: 'INVALID_ARGUMENT',
    });
    await expect(schedules.get('x')).rejects.toMatchObject({ code: 'NOT_FOUND' });
    await schedules.set(id, { retention: 7, dayOfWeek: 'MONDAY' });
    expect(await schedules.get(id)).toEqual({ retention: 7, dayOfWeek: 'MONDAY' });
    await schedules.set(id, { retention: 1 });
    expect(await schedules.get(id)).toEqual({ retention: 1 });

    await cloud.advance(day);
    const [made, ...more] = await scheduled(images, run);
    expect(more).toEqual([]);
    expect(made?.name).toMatch(/^daily-.*-\d{10}$/);
    // The cloud gave it all that the server's image had, and none of it is its own.
    const native = isGlanceImage(made?.native) ? made.native : undefined;
    expect(native).toMatchObject({
      'org.openstack__1__created-by': 'scheduled-images-service',
      'imgkit:family': base.family,
      'imgkit:label:imgkit-run': run,
    });
    expect(made).toMatchObject({ labels: {}, published: false });
    expect(made?.family).toBeUndefined();
    expect((await kit.families.head('images', base.family ?? '')).ref).toEqual(base.ref);

    // Neither a sweep nor a deletion takes it.
    const owned: string[] = [];
    for await (const one of provider.owned.list(labels)) owned.push(one.id);
    expect(owned).not.toContain(made?.ref.id);
    await expect(images.delete(made?.ref.id ?? '').then(String)).rejects.toMatchObject({
      code: 'FAILED_PRECONDITION',
      hint: expect.stringContaining('schedule'),
    });

    // An image of a server that was launched from it is ours, and not the schedule's to delete.
    const second = `${run}-2`;
    const from = {
      ...template(base),
      boot: { kind: 'image', image: made?.ref ?? base.ref },
    } as const;
    const restored = await instances.launch({ ...from, name: second });
    const source = { kind: 'instance', instance: restored.id, whenRunning: 'flush' } as const;
    const capture = await images.create({ name: `${run}-capture`, source, labels });
    expect(capture.native).not.toHaveProperty('org.openstack__1__created-by');
    expect(capture.labels).toEqual(labels);

    await cloud.advance(day);
    const after = await scheduled(images, run);
    expect(after).toHaveLength(1);
    expect(after[0]?.ref.id).not.toBe(made?.ref.id);
    expect((await images.get(capture.ref.id)).status).toBe('READY');
    await schedules.remove(id);
    await schedules.remove(id);
    await cloud.advance(day);
    expect(await scheduled(images, run)).toHaveLength(1);
    const { ask } = await world();
    await ask(`images/v2/images/${after[0]?.ref.id}`, { method: 'DELETE' });
  });
});

describe.skipIf(missing !== undefined)('how disks are fit to flavors', () => {
  it('is as it was asked for, and kept in machine images', async () => {
    const { provider, instances, labels, run, create, template } = await world();
    const base = await create('base');
    const manual = { 'OS-DCF:diskConfig': 'MANUAL' };
    const server = await instances.launch({
      ...template(base),
      name: run,
      providerOptions: { diskConfig: 'MANUAL' },
    });
    expect(server.native).toMatchObject(manual);
    const { machineImages } = provider;
    const whole = await machineImages?.create({
      name: `${run}-whole`,
      instance: server.id,
      labels,
    });
    const restored = await machineImages?.restore({
      machineImage: whole?.id ?? '',
      name: `${run}-again`,
      labels,
    });
    expect(restored?.native).toMatchObject(manual);
    const wrong = { ...template(base), name: run, providerOptions: { diskConfig: 'auto' } };
    await expect(instances.launch(wrong).then(String)).rejects.toMatchObject({
      code: 'INVALID_ARGUMENT',
    });
  });
});

const launchAnswer = z.object({
  launchConfiguration: z.looseObject({
    args: z.looseObject({ server: z.looseObject({ imageRef: z.string() }) }),
  }),
});

describe.skipIf(missing !== undefined)('a group of Auto Scale that somebody else made', () => {
  it('is rolled out with all that its launch configuration and its bounds said', async () => {
    const { cloud, fleets, provider, run, create, template, ask } = await world();
    const [old, next] = [await create('old'), await create('new')];
    const json = { 'content-type': 'application/json' };
    const foreign = {
      draining_timeout: 30,
      loadBalancers: [{ loadBalancerId: 71, port: 8080 }],
    };
    const server = {
      name: 'web',
      imageRef: old.ref.id,
      flavorRef: 'tiny',
      'OS-DCF:diskConfig': 'AUTO',
      metadata: { team: 'shop' },
      networks: [{ uuid: publicNetwork }],
    };
    const body = JSON.stringify({
      groupConfiguration: {
        name: run,
        cooldown: 600,
        minEntities: 1,
        maxEntities: 3,
        metadata: { owner: 'shop' },
      },
      launchConfiguration: { type: 'launch_server', args: { server, ...foreign } },
    });
    const made = await ask('autoscale/v1.0/groups', { method: 'POST', headers: json, body });
    const schema = z.object({ group: z.object({ id: z.string() }) });
    const { id } = schema.parse(await made.json()).group;
    onTestFinished(async () => fleets.delete(id));
    const standing = await settled(fleets, id);
    expect(standing).toMatchObject({ name: run, size: 1, labels: {} });
    expect(standing.versions).toEqual([{ image: old.ref, instances: 1, target: true }]);

    const manual = { ...template(next), providerOptions: { diskConfig: 'MANUAL' } };
    const rolled = await fleets.rollOut({ fleet: id, template: manual });
    expect(rolled.versions).toEqual([{ image: next.ref, instances: 1, target: true }]);
    expect(rolled.instances).not.toEqual(standing.instances);
    const answer = await ask(`autoscale/v1.0/groups/${id}/launch`);
    const { args } = launchAnswer.parse(await answer.json()).launchConfiguration;
    expect(args).toMatchObject({
      ...foreign,
      server: {
        ...server,
        imageRef: next.ref.id,
        'OS-DCF:diskConfig': 'MANUAL',
        metadata: { team: 'shop', 'imgkit:label:imgkit-run': run },
      },
    });
    const configuration = await ask(`autoscale/v1.0/groups/${id}/config`);
    expect(await configuration.json()).toEqual({
      groupConfiguration: {
        name: run,
        cooldown: 600,
        minEntities: 1,
        maxEntities: 3,
        metadata: { owner: 'shop' },
      },
    });
    const users = async (image: Image) => (await provider.usage?.of(image.ref.id))?.users ?? [];
    expect(await users(old)).toContainEqual(expect.objectContaining({ kind: 'template', id }));
    expect(await users(next)).toContainEqual(expect.objectContaining({ kind: 'fleet', id }));

    // New machines that can't be made: the old one stays.
    cloud.scale.trouble.message = 'No valid host was found';
    const broken = fleets.rollOut({ fleet: id, template: template(old) });
    await expect(broken.then(String)).rejects.toMatchObject({
      code: 'OPERATION_FAILED',
      message: expect.stringContaining('No valid host'),
    });
    cloud.scale.trouble.message = undefined;
    const kept = launchAnswer.parse(await (await ask(`autoscale/v1.0/groups/${id}/launch`)).json());
    expect(kept.launchConfiguration.args.server, 'what wasn’t spoken of').toMatchObject({
      imageRef: old.ref.id,
      'OS-DCF:diskConfig': 'MANUAL',
    });
    expect(await fleets.get(id)).toMatchObject({ status: 'FAILED', instances: rolled.instances });
    const back = await fleets.rollBack(id);
    expect(back).toMatchObject({ status: 'STABLE', size: 1 });
    expect(back.versions).toEqual([{ image: next.ref, instances: 1, target: true }]);
  });
});

describe.skipIf(missing !== undefined)('a rollout of Auto Scale whose process is killed', () => {
  it('goes on in the next one, with each server replaced once, and so does going back', async () => {
    const { cloud, fleets, run, labels, create, template, ask } = await world();
    onTestFinished(() => cloud.faults.clear());
    const [old, next] = [await create('old'), await create('new')];
    const made = await fleets.create({ name: run, size: 2, labels, template: template(old) });
    // It may be larger: by itself it doesn't go back to its size.
    const place = `autoscale/v1.0/groups/${made.id}/config`;
    const configuration = z.object({ groupConfiguration: z.looseObject({}) });
    const { groupConfiguration } = configuration.parse(await (await ask(place)).json());
    const body = JSON.stringify({ ...groupConfiguration, maxEntities: 5 });
    await ask(place, { method: 'PUT', headers: { 'content-type': 'application/json' }, body });
    const options = { name: 'images', ...(await classicOptions('images')) };
    const killed = async (
      { at, skip = 0 }: { readonly at: string; readonly skip?: number },
      call: string,
      request: unknown,
    ) => {
      const reached = Promise.withResolvers<void>();
      const match = new RegExp(at);
      cloud.faults.add({ match, skip, kind: 'lost', times: 100, onDone: reached.resolve });
      const args = [await scratch(), JSON.stringify(options), call, JSON.stringify(request)];
      await killedProgram('killed-program.ts', args, reached.promise);
      cloud.faults.clear();
      await cloud.scale.settled();
    };
    const rollout = { fleet: made.id, template: template(next) };
    const group = `/groups/${made.id}`;

    // When a new server is made beside the old ones, and when the first of those goes.
    await killed({ at: `PUT .*${group}/config$`, skip: 1 }, 'fleets.rollOut', rollout);
    expect(cloud.scale.made(made.id)).toBe(3);
    expect(await fleets.get(made.id)).toMatchObject({ status: 'ROLLING', size: 2 });
    await killed({ at: `DELETE .*${group}/servers/` }, 'fleets.rollOut', rollout);
    const rolled = await fleets.rollOut(rollout);
    expect(rolled).toMatchObject({ status: 'STABLE', size: 2 });
    expect(rolled.versions).toEqual([{ image: next.ref, instances: 2, target: true }]);
    expect(rolled.instances.some((id) => made.instances.includes(id))).toBe(false);
    expect(cloud.scale.made(made.id), 'two at first, and one for each').toBe(4);

    await killed({ at: `PUT .*${group}/launch$` }, 'fleets.rollBack', { id: made.id });
    const back = await fleets.rollBack(made.id);
    expect(back.versions).toEqual([{ image: old.ref, instances: 2, target: true }]);
    expect(cloud.scale.made(made.id)).toBe(6);
  });
});

/** Waits until a group stands. */
async function settled(fleets: Awaited<ReturnType<typeof world>>['fleets'], id: string) {
  for (;;) {
    const fleet = await fleets.get(id);
    if (fleet.status === 'STABLE') return fleet;
    if (fleet.status === 'FAILED') throw new Error(JSON.stringify(fleet.native));
    const { promise, resolve } = Promise.withResolvers<void>();
    setTimeout(resolve, 200);
    await promise;
  }
}
