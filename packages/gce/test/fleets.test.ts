import { setTimeout as delay } from 'node:timers/promises';

import type { Clock, Fleet, Fleets, MachineTemplate, OwnedResource, Provider } from '@imgkit/core';
import { afterAll, beforeAll, expect, it, vi } from 'vitest';

import { emulatedCloud, type EmulatedCloud } from './emulated-cloud.ts';

// Google's client reads twelve megabytes of description first, which takes a while on a busy machine.
vi.setConfig({ testTimeout: 120_000, hookTimeout: 120_000 });

const labels = { 'imgkit-run': 'fleets' };
const region = 'us-central1';
let cloud: EmulatedCloud;

/** Fifty times as fast as the emulator's, so that patience costs a second. */
function hastyClock(): Clock {
  const [start, factor] = [Date.now(), 50];
  return {
    now: () => start + (Date.now() - start) * factor,
    sleep: (ms, signal) => delay(ms / factor, undefined, { signal }),
  };
}

beforeAll(async () => {
  cloud = await emulatedCloud({ kitClock: hastyClock() });
});
afterAll(() => cloud[Symbol.asyncDispose]());

function fleetsOf(provider: Provider): Fleets {
  const { fleets } = provider;
  if (fleets === undefined) throw new Error('the provider has no fleets');
  return fleets;
}

/** A template that differs from others by what its machines are told. */
function template(version: string): MachineTemplate {
  return { boot: { kind: 'image', image: cloud.base }, metadata: { version } };
}

async function owned(): Promise<readonly OwnedResource[]> {
  const all: OwnedResource[] = [];
  for await (const one of cloud.provider.owned.list(labels)) all.push(one);
  return all;
}

/** The names of the templates that stand, as Google's API tells them. */
async function templates(): Promise<readonly string[]> {
  const answer = await fetch(
    `${cloud.emulator.endpoint}/compute/v1/projects/imgkit-test/global/instanceTemplates`,
  );
  const body: unknown = await answer.json();
  return Array.from(
    JSON.stringify(body).matchAll(/"name":"(web-[0-9a-f]{12})"/g),
    ([, name = '']) => name,
  );
}

it('a regional group is spread over its zones, and is rolled back by another process', async () => {
  const fleets = fleetsOf(cloud.provider);
  const made = await fleets.create({
    name: 'web',
    size: 3,
    labels,
    template: template('1'),
    providerOptions: { region },
  });
  expect(made).toMatchObject({ status: 'STABLE', size: 3, labels });
  expect(made.id).toBe(`projects/imgkit-test/regions/${region}/instanceGroupManagers/web`);
  const zones = new Set(made.instances.map((id) => id.split('/')[3]));
  expect(zones.size).toBe(3);

  const narrow = fleets.rollOut({ fleet: made.id, template: template('2'), maxSurge: 1 });
  await expect(narrow).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' });
  const second = await fleets.rollOut({ fleet: made.id, template: template('2') });
  expect(second.instances.some((id) => made.instances.includes(id))).toBe(false);
  const same = await fleets.rollOut({ fleet: made.id, template: template('2') });
  expect(same.instances.toSorted()).toEqual(second.instances.toSorted());
  await fleets.rollOut({ fleet: made.id, template: template('3') });
  expect(await templates()).toHaveLength(2); // the one in use, and the one before it

  const others = fleetsOf(cloud.other);
  const versionOf = async ({ id }: Fleet): Promise<string | undefined> => {
    const [instance = ''] = (await others.get(id)).instances;
    return (await cloud.other.instances?.get(instance))?.metadata['version'];
  };
  expect(await versionOf(await others.rollBack(made.id))).toBe('2');
  expect(await versionOf(await others.rollBack(made.id))).toBe('3');
  await fleets.delete(made.id);
  expect(await templates()).toEqual([]);
  expect(await owned()).toEqual([]);
});

it('what is given up goes on in the cloud, and is waited for by its token', async () => {
  const stop = new AbortController();
  const request = { name: 'web', size: 1, labels, template: template('1') };
  const making = fleetsOf(cloud.provider).create(request, { signal: stop.signal });
  const token = await making.token();
  stop.abort();
  await expect(making).rejects.toMatchObject({ code: 'PENDING', token });
  expect(await cloud.other.resume(token)).toMatchObject({ name: 'web', status: 'STABLE', size: 1 });
  await cloud.other.owned.delete('fleet', (await owned())[0]?.id ?? '');
});

it('a rollout that another process has begun is gone on with by the same call, and by no other', async () => {
  const fleets = fleetsOf(cloud.provider);
  const others = fleetsOf(cloud.other);
  const made = await fleets.create({ name: 'web', size: 2, labels, template: template('1') });
  for (const [version, canary] of [['2'], ['3', 1]] as const) {
    const before = (await fleets.get(made.id)).instances;
    const request = { fleet: made.id, template: template(version), canary };
    const stop = new AbortController();
    // Nothing is made as long as we look.
    const project = cloud.emulator.project('imgkit-test');
    project.setQuota('CPUS', 0, region);
    const begun = fleets.rollOut(request, { signal: stop.signal });
    await begun.token();
    stop.abort();
    await expect(begun).rejects.toMatchObject({ code: 'PENDING' });
    for (const other of [{ template: template('4') }, { maxSurge: 2 }])
      await expect(others.rollOut({ ...request, ...other })).rejects.toMatchObject({
        code: 'FAILED_PRECONDITION',
      });
    project.setQuota('CPUS', 1000, region);
    const { status, instances } = await others.rollOut(request);
    expect(status).toBe('STABLE');
    expect(instances.filter((id) => before.includes(id))).toHaveLength(canary ?? 0);
  }
  await fleets.delete(made.id);
});

it('machines that don’t come up end the waiting with what Google says; what can’t be made is removed', async () => {
  const { emulator } = cloud;
  const fleets = fleetsOf(cloud.provider);
  const made = await fleets.create({ name: 'web', size: 1, labels, template: template('1') });
  emulator.project('imgkit-test').setQuota('CPUS', 0, region);
  const failed = { code: 'QUOTA_EXCEEDED', resource: made.id, data: { machines: [{}] } };
  await expect(fleets.rollOut({ fleet: made.id, template: template('2') })).rejects.toMatchObject(
    failed,
  );
  expect(await fleets.get(made.id)).toMatchObject({ status: 'FAILED' });
  const going = fleets.rollOut({ fleet: made.id, template: template('3') });
  await expect(going).rejects.toMatchObject({ code: 'FAILED_PRECONDITION' });
  expect(await fleets.rollBack(made.id)).toMatchObject({
    status: 'STABLE',
    instances: made.instances,
  });
  await fleets.delete(made.id);

  const never = fleets.create({ name: 'web', size: 2, labels, template: template('1') });
  await expect(never).rejects.toMatchObject({ code: 'QUOTA_EXCEEDED' });
  expect(await owned()).toEqual([]);
  expect(await templates()).toEqual([]);
  emulator.project('imgkit-test').setQuota('CPUS', 1000, region);
});

it('templates that a crash left without their group are found by their labels, and removed', async () => {
  const fleets = fleetsOf(cloud.provider);
  const made = await fleets.create({ name: 'web', size: 0, labels, template: template('1') });
  await fetch(`${cloud.emulator.endpoint}/compute/v1/${made.id}`, { method: 'DELETE' });
  await vi.waitFor(() => expect(fleets.get(made.id)).rejects.toMatchObject({ code: 'NOT_FOUND' }), {
    timeout: 20_000,
  });
  expect(await owned()).toMatchObject([{ kind: 'fleet', id: made.id, name: 'web', labels }]);
  await cloud.provider.owned.delete('fleet', made.id);
  expect(await owned()).toEqual([]);
  expect(await templates()).toEqual([]);
});

it('sends nothing that Google would not understand', () => {
  expect(cloud.emulator.violations).toEqual([]);
});
