import type { Image, Provider } from '@imgkit/core';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';

import {
  gallery,
  group,
  source,
  startAzure,
  subscription,
  type EmulatedAzure,
} from './emulated-azure.ts';

let cloud: EmulatedAzure;
let provider: Provider;
let one: Image;
const elsewhere = `/subscriptions/${subscription}/resourceGroups/ELSEWHERE`;
const at = (id: string, path: string) => `${id}/providers/Microsoft.Compute/${path}`;

beforeEach(async () => {
  cloud = await startAzure();
  provider = await cloud.provider();
  cloud.emulator.seed(elsewhere, { location: 'eastus' });
  one = await provider.images.create({ name: 'web-1', family: 'web', version: '1.0.0', source });
});
afterEach(() => cloud[Symbol.asyncDispose]());

const seed = (id: string, properties: object, more: object = {}) =>
  cloud.emulator.seed(id, {
    location: 'eastus',
    ...more,
    properties: { provisioningState: 'Succeeded', ...properties },
  });

const reference = (imageReference: object) => ({ storageProfile: { imageReference } });

async function usersOf(id: string): Promise<readonly string[]> {
  const report = await provider.usage?.of(id);
  expect(report).toMatchObject({ complete: true, unanswered: [] });
  return (report?.users ?? []).map((user) => `${user.kind} ${user.id}`).toSorted();
}

describe('the usage of an image', () => {
  it('names machines, disks, images and restore points of all resource groups, whatever form their ids have', async () => {
    const shouted = one.ref.id
      .replace('/resourceGroups/Images/', '/resourceGroups/IMAGES/')
      .replace('galleries', 'Galleries');
    const machines = ['by-version', 'by-definition', 'of-another'].map((name) =>
      at(elsewhere, `virtualMachines/${name}`),
    );
    const [byVersion = '', byDefinition = '', ofAnother = ''] = machines;
    seed(byVersion, reference({ id: shouted }));
    seed(byDefinition, reference({ id: `${gallery}/images/web`, exactVersion: '1.0.0' }));
    seed(ofAnother, reference({ id: `${gallery}/images/web`, exactVersion: '9.0.0' }));
    const disk = at(elsewhere, 'disks/data');
    seed(disk, {
      creationData: { createOption: 'FromImage', galleryImageReference: { id: shouted } },
    });
    const child = await provider.images.create({
      name: 'copy',
      source: { kind: 'image', image: one.ref },
    });
    const theirs = at(elsewhere, 'galleries/other');
    seed(theirs, {});
    seed(`${theirs}/images/copy`, {});
    seed(`${theirs}/images/copy/versions/1.0.0`, { storageProfile: { source: { id: shouted } } });
    expect(await usersOf(one.ref.id)).toEqual(
      [
        `instance ${byVersion}`,
        `instance ${byDefinition}`,
        `disk ${disk}`,
        `image ${child.ref.id}`,
        `image ${theirs}/images/copy/versions/1.0.0`,
      ].toSorted(),
    );
  });

  it('names fleets of no machines, machines of an older model, and who follows the latest', async () => {
    const { fleets } = provider;
    if (fleets === undefined) throw new Error('there are no fleets');
    const template = { boot: { kind: 'image', image: one.ref } } as const;
    const empty = await fleets.create({ name: 'empty', size: 0, template });
    const latest = await fleets.create({
      name: 'latest',
      size: 0,
      template,
      providerOptions: { boot: 'latest' },
    });
    const rolled = await fleets.create({ name: 'rolled', size: 2, template });
    const two = await provider.images.create({
      name: 'web-2',
      family: 'web',
      version: '2.0.0',
      source,
    });
    await fleets.rollOut({
      fleet: rolled.id,
      template: { boot: { kind: 'image', image: two.ref } },
      canary: 1,
    });
    const [old = ''] = (await fleets.get(rolled.id)).instances;
    const mine = await usersOf(one.ref.id);
    expect(mine.filter((user) => !user.startsWith('disk '))).toEqual([
      `fleet ${empty.id}`,
      `instance ${old}`,
    ]);
    const theirs = await usersOf(two.ref.id);
    expect(theirs).toEqual(expect.arrayContaining([`fleet ${latest.id}`, `fleet ${rolled.id}`]));
    expect(theirs).not.toContain(`fleet ${empty.id}`);
  });

  it('of a managed image names machines, scale sets and versions, whatever form their ids have', async () => {
    const { instances, fleets } = provider;
    const base = at(group, 'images/base');
    const shouted = base.replace('/resourceGroups/Images/', '/resourceGroups/IMAGES/');
    const boot = { kind: 'image', image: { provider: 'azure', id: shouted } } as const;
    const machine = await instances?.launch({ name: 'vm', boot });
    const fleet = await fleets?.create({ name: 'fleet', size: 1, template: { boot } });
    const [member] = fleet?.instances ?? [];
    const theirs = at(elsewhere, 'virtualMachines/theirs');
    seed(theirs, reference({ id: base.toLowerCase() }));
    const users = await usersOf(base);
    expect(users).toContain(`disk ${at(group, 'disks/vm-os')}`);
    expect(users.filter((user) => !user.startsWith('disk '))).toEqual(
      [
        `fleet ${fleet?.id}`,
        `image ${one.ref.id}`,
        `instance ${machine?.id}`,
        `instance ${member}`,
        `instance ${theirs}`,
      ].toSorted(),
    );
    // And a managed image that was made of a machine, or of a disk, uses what these are of.
    const mine = await instances?.launch({ name: 'mine', boot: { kind: 'image', image: one.ref } });
    seed(at(elsewhere, 'images/of-machine'), { sourceVirtualMachine: { id: mine?.id ?? '' } });
    const managedDisk = { id: mine?.disks[0]?.id.toUpperCase() ?? '' };
    seed(at(elsewhere, 'images/of-disk'), { storageProfile: { osDisk: { managedDisk } } });
    expect(await usersOf(one.ref.id)).toEqual(
      expect.arrayContaining([
        `image ${at(elsewhere, 'images/of-machine')}`,
        `image ${at(elsewhere, 'images/of-disk')}`,
      ]),
    );
  });

  it('is incomplete where the subscription may not be asked, and says so', async () => {
    await using small = await startAzure({
      roles: [{ principal: 'baker', role: 'acdd72a7-3385-48ef-bd42-f606fba81ae7', scope: group }],
    });
    const owner = await small.provider();
    const { ref } = await owner.images.create({ name: 'web-1', source });
    const disk = await owner.disks?.create({ name: 'data', source: { kind: 'image', image: ref } });
    const token = small.emulator.token('baker');
    const credential = {
      getToken: async () => ({ token, expiresOnTimestamp: Date.now() + 3_600_000 }),
    };
    const baker = await small.provider({ credentials: { kind: 'own', credential } });
    const report = await baker.usage?.of(ref.id);
    expect(report).toMatchObject({ complete: false, users: [{ kind: 'disk', id: disk?.id }] });
    expect(report?.unanswered).toContainEqual(
      expect.stringMatching(/^disks outside of resource group "Images": /),
    );
  });
});
