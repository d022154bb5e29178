import { afterEach, beforeEach, describe, expect, it } from 'vitest';

import {
  createVirtualClock,
  startAzureEmulator,
  type AzureEmulator,
  type JsonObject,
} from '../src/index.ts';

const subscription = '00000000-0000-0000-0000-000000000001';
const group = `/subscriptions/${subscription}/resourceGroups/images`;
const at = (path: string) => `${group}/providers/Microsoft.Compute/${path}`;
const definition = at('galleries/golden/images/web');
const version = (number: string) => `${definition}/versions/${number}`;
const set = at('virtualMachineScaleSets/web');
const clock = createVirtualClock('2026-11-21T09:00:00Z');
const minute = 60_000;
let emulator: AzureEmulator;

beforeEach(async () => {
  emulator = await startAzureEmulator({ clock, operationMs: minute });
  emulator.seed(group, { location: 'eastus' });
  emulator.seed(at('galleries/golden'), { location: 'eastus' });
  emulator.seed(definition, {
    location: 'eastus',
    properties: { osType: 'Linux', hyperVGeneration: 'V2' },
  });
  for (const number of ['1.0.0', '2.0.0']) addVersion(number);
});
afterEach(() => emulator.close());

function addVersion(number: string, publishing: JsonObject = {}, storage: JsonObject = {}): void {
  emulator.seed(version(number), {
    location: 'eastus',
    properties: {
      provisioningState: 'Succeeded',
      publishingProfile: { targetRegions: [{ name: 'East US' }], ...publishing },
      storageProfile: { osDiskImage: { sizeInGB: 3 }, ...storage },
    },
  });
}

async function send(method: string, path: string, body?: JsonObject, query = '') {
  const url = path.startsWith('http')
    ? path
    : `${emulator.endpoint}${path}?api-version=2026-04-01${query}`;
  const answer = await fetch(url, {
    method,
    body: body === undefined ? null : JSON.stringify(body),
  });
  const text = await answer.text();
  const parsed: any = text === '' ? undefined : JSON.parse(text);
  return {
    status: answer.status,
    operation: answer.headers.get('azure-asyncoperation') ?? '',
    body: parsed,
  };
}

const health = {
  extensions: [
    {
      name: 'health',
      properties: { publisher: 'Microsoft.ManagedServices', type: 'ApplicationHealthLinux' },
    },
  ],
};

function setBody(
  reference: string,
  capacity: number,
  upgradePolicy: JsonObject = { mode: 'Manual' },
  profile: JsonObject = {},
): JsonObject {
  return {
    location: 'eastus',
    sku: { name: 'Standard_D2s_v5', capacity },
    tags: { team: 'web' },
    properties: {
      upgradePolicy,
      virtualMachineProfile: {
        storageProfile: { imageReference: { id: reference } },
        osProfile: {
          computerNamePrefix: 'web',
          adminUsername: 'azureuser',
          customData: 'c2VjcmV0',
        },
        ...profile,
      },
    },
  };
}

async function make(...parts: Parameters<typeof setBody>): Promise<void> {
  expect((await send('PUT', set, setBody(...parts))).status).toBe(201);
  await clock.advance(minute);
}

const to = (reference: string): JsonObject => ({
  properties: { virtualMachineProfile: { storageProfile: { imageReference: { id: reference } } } },
});

/** The machines: their numbers, and what version each is of. */
async function machines(): Promise<readonly (readonly [string, string, boolean])[]> {
  const { body } = await send('GET', `${set}/virtualMachines`, undefined, '&$expand=instanceView');
  return body.value.map((one: any) => [
    one.instanceId,
    one.properties.storageProfile.imageReference.exactVersion,
    one.properties.latestModelApplied,
  ]);
}

async function latest(): Promise<any> {
  return (await send('GET', `${set}/rollingUpgrades/latest`)).body;
}

async function statusOf(operation: string): Promise<any> {
  return (await send('GET', operation)).body;
}

describe('a scale set', () => {
  it('has machines of its image, each with a disk, and takes all with it', async () => {
    await make(version('1.0.0'), 2);
    const { body } = await send('GET', set);
    expect(body.properties.provisioningState).toBe('Succeeded');
    expect(JSON.stringify(body)).not.toContain('c2VjcmV0');
    expect(await machines()).toEqual([
      ['0', '1.0.0', true],
      ['1', '1.0.0', true],
    ]);
    const one = (await send('GET', `${set}/virtualMachines/0`, undefined, '&$expand=instanceView'))
      .body;
    expect(one).toMatchObject({
      name: 'web_0',
      tags: { team: 'web' },
      properties: {
        osProfile: { computerName: 'web000000' },
        instanceView: {
          statuses: [{ code: 'ProvisioningState/succeeded' }, { code: 'PowerState/running' }],
        },
      },
    });
    const view = (await send('GET', `${set}/instanceView`)).body;
    expect(view.virtualMachine.statusesSummary).toContainEqual({
      code: 'PowerState/running',
      count: 2,
    });
    expect(emulator.ids().filter((id) => id.includes('/disks/'))).toHaveLength(2);
    await send('DELETE', set);
    await clock.advance(minute);
    expect(emulator.ids().filter((id) => /disks|ScaleSets/.test(id))).toEqual([]);
    expect((await send('DELETE', set)).status).toBe(204);
    expect(emulator.violations).toEqual([]);
  });

  it('gives new machines the new model, and the others when they are told (Manual)', async () => {
    await make(version('1.0.0'), 2);
    await send('PATCH', set, to(version('2.0.0')));
    await clock.advance(minute);
    await send('PATCH', set, { sku: { name: 'Standard_D2s_v5', capacity: 3 } });
    await clock.advance(minute);
    expect(await machines()).toEqual([
      ['0', '1.0.0', false],
      ['1', '1.0.0', false],
      ['2', '2.0.0', true],
    ]);
    await send('POST', `${set}/manualupgrade`, { instanceIds: ['0'] });
    await clock.advance(minute);
    await send('POST', `${set}/delete`, { instanceIds: ['1'] });
    await clock.advance(minute);
    expect(await machines()).toEqual([
      ['0', '2.0.0', true],
      ['2', '2.0.0', true],
    ]);
    expect((await send('GET', set)).body.sku.capacity).toBe(2);
    const unknown = await send('POST', `${set}/manualupgrade`, { instanceIds: ['77'] });
    expect(unknown.body.error.message).toContain('77');
    await send('PATCH', set, { sku: { capacity: 0 } });
    await clock.advance(minute);
    expect(await machines()).toEqual([]);
  });

  it('upgrades all machines at once (Automatic)', async () => {
    await make(version('1.0.0'), 2, { mode: 'Automatic' });
    await send('PATCH', set, to(version('2.0.0')));
    await clock.advance(minute);
    expect((await machines()).map(([, number]) => number)).toEqual(['2.0.0', '2.0.0']);
  });

  it('keeps fields that nobody knows', async () => {
    await make(version('1.0.0'), 0);
    emulator.seed(set, { properties: { escrow: { kept: true } } });
    await send('PATCH', set, to(version('2.0.0')));
    expect((await send('GET', set)).body.properties).toMatchObject({
      escrow: { kept: true },
      virtualMachineProfile: { osProfile: { computerNamePrefix: 'web' } },
    });
  });

  it('lets machines of a deleted version go on, and makes no more of them', async () => {
    await make(version('1.0.0'), 1);
    const gone = `${emulator.endpoint}${version('1.0.0')}?api-version=2025-12-03`;
    expect((await fetch(gone, { method: 'DELETE' })).status).toBe(202);
    await clock.advance(minute);
    const grown = await send('PATCH', set, { sku: { capacity: 2 } });
    expect(grown).toMatchObject({ status: 404, body: { error: { code: 'GalleryImageNotFound' } } });
    expect(await machines()).toEqual([['0', '1.0.0', true]]);
    expect((await send('POST', `${set}/deallocate`)).status).toBe(202);
  });

  it('keeps the operating system, the generation and the data disks of its images', async () => {
    await make(version('1.0.0'), 1);
    addVersion('3.0.0', {}, { dataDiskImages: [{ lun: 0 }] });
    const refused = await send('PATCH', set, to(version('3.0.0')));
    expect(refused).toMatchObject({
      status: 409,
      body: { error: { code: 'PropertyChangeNotAllowed' } },
    });
  });

  it('refuses upgrades that nobody sees the health in', async () => {
    const rolling = setBody(version('1.0.0'), 1, { mode: 'Rolling' });
    expect((await send('PUT', set, rolling)).body.error.message).toContain('health probe');
    await make(version('1.0.0'), 1);
    expect((await send('POST', `${set}/osRollingUpgrade`)).status).toBe(400);
    const automatic = {
      mode: 'Manual',
      automaticOSUpgradePolicy: { enableAutomaticOSUpgrade: true },
    };
    const pinned = setBody(version('1.0.0'), 1, automatic, { extensionProfile: health });
    expect((await send('PUT', `${set}2`, pinned)).body.error.message).toContain('latest');
  });

  it('ends an operation when a newer one begins', async () => {
    await make(version('1.0.0'), 1);
    const first = await send('PATCH', set, { sku: { capacity: 2 } });
    const second = await send('PATCH', set, { sku: { capacity: 3 } });
    await clock.advance(minute);
    expect((await statusOf(first.operation)).error.code).toBe('OperationPreempted');
    expect((await statusOf(second.operation)).status).toBe('Succeeded');
    expect(await machines()).toHaveLength(3);
  });
});

describe('a rolling upgrade', () => {
  const policy = { maxBatchInstancePercent: 50, pauseTimeBetweenBatches: 'PT2M' };
  const rolling = (wishes: JsonObject = {}): JsonObject => ({
    mode: 'Rolling',
    rollingUpgradePolicy: { ...policy, ...wishes },
  });

  it('goes batch by batch, with pauses', async () => {
    await make(version('1.0.0'), 4, rolling(), { extensionProfile: health });
    const { operation } = await send('PATCH', set, to(version('2.0.0')));
    await clock.advance(2 * minute);
    expect((await machines()).map(([, number]) => number)).toEqual([
      '2.0.0',
      '2.0.0',
      '1.0.0',
      '1.0.0',
    ]);
    expect((await latest()).properties).toMatchObject({
      runningStatus: { code: 'RollingForward', lastAction: 'Start' },
      progress: { successfulInstanceCount: 2, pendingInstanceCount: 2, failedInstanceCount: 0 },
    });
    const meanwhile = await send('PATCH', set, to(version('1.0.0')));
    expect(meanwhile.status).toBe(409);
    await clock.advance(minute);
    expect((await machines())[2]?.[1]).toBe('1.0.0');
    await clock.advance(4 * minute);
    expect((await machines()).every(([, number, current]) => number === '2.0.0' && current)).toBe(
      true,
    );
    expect((await latest()).properties.runningStatus.code).toBe('Completed');
    expect((await statusOf(operation)).status).toBe('Succeeded');
  });

  it('that makes machines which aren’t well ends, names the first, and takes them back if it shall', async () => {
    const upgradePolicy = rolling({ rollbackFailedInstancesOnPolicyBreach: true });
    await make(version('1.0.0'), 4, upgradePolicy, { extensionProfile: health });
    emulator.setHealth(version('2.0.0'), false);
    const { operation } = await send('PATCH', set, to(version('2.0.0')));
    await clock.advance(10 * minute);
    expect(await statusOf(operation)).toMatchObject({
      status: 'Failed',
      error: {
        code: 'MaxUnhealthyUpgradedInstancePercentExceededInRollingUpgrade',
        message: expect.stringContaining('First failed instance ID is: 0.'),
      },
    });
    expect((await latest()).properties).toMatchObject({ runningStatus: { code: 'Faulted' } });
    expect((await machines()).map(([, number]) => number)).toEqual(Array(4).fill('1.0.0'));
  });

  it('doesn’t begin while too many machines aren’t well', async () => {
    await make(version('1.0.0'), 2, rolling(), { extensionProfile: health });
    emulator.setHealth(`${set}/virtualMachines/1`, false);
    await send('PATCH', set, to(version('2.0.0')));
    await clock.advance(minute);
    expect((await latest()).properties.error.code).toBe(
      'MaxUnhealthyInstancePercentExceededInRollingUpgrade',
    );
    expect((await machines()).map(([, number]) => number)).toEqual(['1.0.0', '1.0.0']);
  });

  it('by surge makes new machines before the old ones go', async () => {
    await make(version('1.0.0'), 2, rolling({ maxSurge: true }), { extensionProfile: health });
    await send('PATCH', set, to(version('2.0.0')));
    await clock.advance(minute + 1);
    expect(await machines()).toHaveLength(3);
    await clock.advance(6 * minute);
    expect(await machines()).toEqual([
      ['2', '2.0.0', true],
      ['3', '2.0.0', true],
    ]);
  });

  it('is cancelled after its batch', async () => {
    await make(version('1.0.0'), 4, rolling(), { extensionProfile: health });
    const { operation } = await send('PATCH', set, to(version('2.0.0')));
    await clock.advance(minute + 1);
    const cancelled = await send('POST', `${set}/rollingUpgrades/cancel`);
    expect(cancelled.status).toBe(202);
    await clock.advance(4 * minute);
    expect((await statusOf(cancelled.operation)).status).toBe('Succeeded');
    expect((await statusOf(operation)).status).toBe('Canceled');
    expect((await latest()).properties.runningStatus).toMatchObject({
      code: 'Cancelled',
      lastAction: 'Cancel',
    });
    expect((await machines()).filter(([, number]) => number === '2.0.0')).toHaveLength(2);
    expect((await send('POST', `${set}/rollingUpgrades/cancel`)).status).toBe(409);
  });

  it('begins by itself when a new version is the latest, and goes back when that is bad', async () => {
    const upgradePolicy = {
      mode: 'Manual',
      automaticOSUpgradePolicy: { enableAutomaticOSUpgrade: true },
    };
    await make(definition, 2, upgradePolicy, { extensionProfile: health });
    expect((await machines()).map(([, number]) => number)).toEqual(['2.0.0', '2.0.0']);
    addVersion('3.0.0', { excludeFromLatest: true });
    await clock.advance(10 * minute);
    expect((await machines()).map(([, number]) => number)).toEqual(['2.0.0', '2.0.0']);
    emulator.seed(version('3.0.0'), {
      properties: { publishingProfile: { excludeFromLatest: false } },
    });
    await clock.advance(10 * minute);
    expect((await machines()).map(([, number]) => number)).toEqual(['3.0.0', '3.0.0']);
    emulator.setHealth(version('4.0.0'), false);
    addVersion('4.0.0');
    await clock.advance(10 * minute);
    expect((await machines()).map(([, number]) => number)).toEqual(['3.0.0', '3.0.0']);
    const { body } = await send('GET', `${set}/osUpgradeHistory`);
    expect(body.value.map(({ properties }: any) => properties)).toMatchObject([
      { startedBy: 'Platform', runningStatus: { code: 'Completed' } },
      {
        runningStatus: { code: 'Faulted' },
        targetImageReference: { exactVersion: '4.0.0' },
        rollbackInfo: { successfullyRolledbackInstanceCount: 1 },
      },
    ]);
    expect(emulator.violations).toEqual([]);
  });
});
