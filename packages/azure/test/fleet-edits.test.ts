import type { Image } from '@imgkit/core';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';

import { isAzureFleets } from '../src/index.ts';
import { source, startAzure, type EmulatedAzure } from './emulated-azure.ts';

let cloud: EmulatedAzure;
beforeEach(async () => {
  cloud = await startAzure();
});
afterEach(() => cloud[Symbol.asyncDispose]());

/** What a newer Azure may keep of a scale set, at every depth that edits reach. */
const future = {
  guardian: 'ops',
  upgradePolicy: { escrow: 'kept', rollingUpgradePolicy: { quorum: 3 } },
  virtualMachineProfile: {
    escrow: { days: 7 },
    storageProfile: { lineage: 'x', osDisk: { wear: 'low' }, imageReference: { seal: 'wax' } },
    osProfile: { banner: 'hello', linuxConfiguration: { shell: 'zsh' } },
  },
};
const others = { 'their-tag': 'kept' };

async function setUp() {
  const { fleets, images } = await cloud.provider();
  if (!isAzureFleets(fleets)) throw new Error('these are not Azure’s');
  const make = (version: string): PromiseLike<Image> =>
    images.create({ name: `web-${version}`, family: 'web', version, source });
  return { fleets, one: await make('1.0.0'), two: await make('2.0.0') };
}

const templateOf = ({ ref }: Image, more: object = {}) => ({
  boot: { kind: 'image', image: ref } as const,
  ...more,
});

/** Carries an edit out: whatever it writes to the scale set is a PATCH, and what it doesn't mean stays. */
async function expectEdit(id: string, name: string, edit: () => PromiseLike<unknown>) {
  const start = cloud.emulator.requests.length;
  await edit();
  const writes = cloud.emulator.requests
    .slice(start)
    .filter(
      ({ rpc = '', method }) => method !== 'GET' && rpc.startsWith('VirtualMachineScaleSets.'),
    )
    .filter(({ rpc }) => !/\.(?:DeleteInstances|Reimage)$/.test(rpc ?? ''));
  expect(new Set(writes.map(({ method }) => method)), name).toEqual(new Set(['PATCH']));
  const { properties, tags } = cloud.emulator.resource(id) ?? {};
  expect(properties, name).toMatchObject(future);
  expect(tags, name).toMatchObject(others);
}

describe('an edit of a scale set', () => {
  it.each([
    ['by imgkit', {}],
    ['all at once', { mode: 'automatic' }],
  ] as const)('that is upgraded %s leaves what no client knows', async (_, providerOptions) => {
    const { fleets, one, two } = await setUp();
    const template = templateOf(one, {
      authorizedKeys: [{ user: 'ann', publicKey: 'ssh-ed25519 A' }],
    });
    const request = { name: 'web', size: 1, template, labels: { team: 'web' }, providerOptions };
    const { id } = await fleets.create(request);
    cloud.emulator.seed(id, { properties: future, tags: others });
    const next = { ...template, boot: templateOf(two).boot };
    await expectEdit(id, 'a resize', () => fleets.resize(id, 2));
    await expectEdit(id, 'a rollout', () => fleets.rollOut({ fleet: id, template: next }));
    await expectEdit(id, 'a rollback', () => fleets.rollBack(id));
    await expectEdit(id, 'another size of machine', () =>
      fleets.rollOut({ fleet: id, template: { ...next, machineType: 'Standard_D4s_v5' } }),
    );
    const told = { ...next, machineType: 'Standard_D4s_v5', startupScript: '#!/bin/sh\necho hi' };
    await expectEdit(id, 'another script', () => fleets.rollOut({ fleet: id, template: told }));
    await expectEdit(id, 'another policy', () =>
      fleets.rollOut({
        fleet: id,
        template: { ...told, boot: template.boot },
        providerOptions: { rolling: { maxBatchPercent: 50 } },
      }),
    );
    expect(await fleets.get(id)).toMatchObject({ status: 'STABLE', size: 2 });
  });

  it('that pauses a rollout, goes on with it, or ends it does so, too', async () => {
    const { fleets, one, two } = await setUp();
    const { id } = await fleets.create({ name: 'web', size: 2, template: templateOf(one) });
    cloud.emulator.seed(id, { properties: future, tags: others });
    const bounds = { fleet: id, template: templateOf(two) };
    const rollout = fleets.rollOut(bounds);
    await rollout.token();
    await expectEdit(id, 'a pause', async () => fleets.pause?.(id));
    await expectEdit(id, 'the end of a pause', async () => fleets.unpause?.(id));
    await rollout;
    const back = fleets.rollOut({ ...bounds, template: templateOf(one) });
    await back.token();
    await expectEdit(id, 'the end of a rollout', () => fleets.cancel(id));
    await back;
    expect(await fleets.get(id)).toMatchObject({ status: 'STABLE', size: 2 });
  });
});
