import { afterEach, beforeEach, describe, expect, it } from 'vitest';

import {
  createVirtualClock,
  startAzureEmulator,
  type AzureEmulator,
  type AzureEmulatorOptions,
  type JsonObject,
} from '../src/index.ts';

const subscription = '00000000-0000-0000-0000-000000000001';
const group = `/subscriptions/${subscription}/resourceGroups/images`;
const gallery = `${group}/providers/Microsoft.Compute/galleries/golden`;
const definition = `${gallery}/images/web`;
const account = `${group}/providers/Microsoft.Storage/storageAccounts/disks`;
const uri = 'https://disks.blob.core.windows.net/vhds/web.vhd';
const clock = createVirtualClock('2026-11-21T09:00:00Z');
let emulator: AzureEmulator;

async function start(options: AzureEmulatorOptions = {}): Promise<void> {
  emulator = await startAzureEmulator({ clock, operationMs: 60_000, ...options });
  emulator.seed(group, { location: 'eastus' });
  const identifier = { publisher: 'acme', offer: 'golden', sku: 'web' };
  const properties = { osType: 'Linux', osState: 'Generalized', identifier };
  emulator.seed(gallery, { location: 'eastus' });
  emulator.seed(definition, { location: 'eastus', properties });
  emulator.addBlob(uri, 3 * 2 ** 30);
}

beforeEach(() => start());
afterEach(() => emulator.close());

interface Reply {
  readonly status: number;
  readonly headers: Headers;
  readonly body: any;
}

async function send(
  method: string,
  path: string,
  body?: JsonObject,
  options: { readonly apiVersion?: string; readonly query?: string; readonly token?: string } = {},
): Promise<Reply> {
  const { apiVersion = '2025-12-03', query = '', token } = options;
  const url = path.startsWith('http')
    ? path
    : `${emulator.endpoint}${path}?api-version=${apiVersion}${query}`;
  const answer = await fetch(url, {
    method,
    body: body === undefined ? null : JSON.stringify(body),
    headers: token === undefined ? {} : { authorization: `Bearer ${token}` },
  });
  const text = await answer.text();
  return { status: answer.status, headers: answer.headers, body: text && JSON.parse(text) };
}

function versionBody(wishes: JsonObject = {}, tags: JsonObject = {}): JsonObject {
  const storageProfile = { osDiskImage: { source: { uri, storageAccountId: account } } };
  return { location: 'eastus', tags, properties: { storageProfile, ...wishes } };
}

const at = (path: string) => `${group}/providers/Microsoft.Compute/${path}`;

const expand = { query: '&$expand=ReplicationStatus' };

/** Makes a version, and waits until it stands. */
async function make(name = '1.0.0', wishes?: JsonObject, tags?: JsonObject): Promise<string> {
  const id = `${definition}/versions/${name}`;
  expect((await send('PUT', id, versionBody(wishes, tags))).status).toBe(201);
  await clock.advance(60_000);
  return id;
}

describe('an image version', () => {
  it('is made by an operation, region after region', async () => {
    const targetRegions = [{ name: 'eastus' }, { name: 'westus2', excludeFromLatest: true }];
    const id = `${definition}/versions/1.0.0`;
    const made = await send('PUT', id, versionBody({ publishingProfile: { targetRegions } }));
    expect(made.status).toBe(201);
    expect(made.body.properties).toMatchObject({
      provisioningState: 'Creating',
      publishingProfile: {
        targetRegions: [
          { name: 'East US', regionalReplicaCount: 1, storageAccountType: 'Standard_LRS' },
          { name: 'West US 2', excludeFromLatest: true },
        ],
      },
    });
    await clock.advance(30_000);
    const half = (await send('GET', id, undefined, expand)).body.properties.replicationStatus;
    expect(half.summary).toMatchObject([
      { region: 'East US', state: 'Completed', progress: 100 },
      { region: 'West US 2', state: 'Replicating', progress: 50 },
    ]);
    const operation = made.headers.get('azure-asyncoperation') ?? '';
    expect((await send('GET', operation)).body).toMatchObject({ status: 'InProgress' });
    expect((await send('GET', made.headers.get('location') ?? '')).status).toBe(202);
    await clock.advance(30_000);
    expect((await send('GET', operation)).body).toMatchObject({ status: 'Succeeded' });
    const whole = (await send('GET', id, undefined, expand)).body.properties;
    expect(whole).toMatchObject({
      provisioningState: 'Succeeded',
      storageProfile: { osDiskImage: { sizeInGB: 3 } },
      replicationStatus: { aggregatedState: 'Completed' },
    });
    expect((await send('GET', id)).body.properties.replicationStatus).toBeUndefined();
    expect(emulator.violations).toEqual([]);
  });

  it('tells of its operations only under their whole address', async () => {
    const made = await send('PUT', `${definition}/versions/1.0.0`, versionBody());
    const [address = ''] = (made.headers.get('azure-asyncoperation') ?? '').split('&');
    expect((await send('GET', address)).status).toBe(403);
    expect(emulator.violations).toHaveLength(1);
  });

  it('keeps what a change does not name, and loses it to a replacement', async () => {
    const id = await make('1.0.0', {}, { a: '1', b: '2' });
    emulator.seed(id, { properties: { publishingProfile: { future: 'kept' } } });
    const change = { publishingProfile: { excludeFromLatest: true }, storageProfile: {} };
    const changed = await send('PATCH', id, { tags: { c: '3' }, properties: change });
    expect(changed.status).toBe(200);
    await clock.advance(60_000);
    const { body } = await send('GET', id);
    expect(body.tags).toEqual({ c: '3' });
    expect(body.properties.publishingProfile).toMatchObject({
      future: 'kept',
      excludeFromLatest: true,
      targetRegions: [{ name: 'East US' }],
    });
    await send('PUT', id, versionBody());
    await clock.advance(60_000);
    const { publishingProfile } = (await send('GET', id)).body.properties;
    expect(publishingProfile).not.toHaveProperty('future');
  });

  it('that failed says why, and keeps its number until it is deleted', async () => {
    emulator.faults.add({
      rpc: 'GalleryImageVersions.CreateOrUpdate',
      kind: 'operation-error',
      code: 'ReplicationJobFailed',
    });
    const id = `${definition}/versions/1.0.0`;
    const made = await send('PUT', id, versionBody());
    await clock.advance(60_000);
    const { body } = await send('GET', made.headers.get('azure-asyncoperation') ?? '');
    expect(body).toMatchObject({ status: 'Failed', error: { code: 'ReplicationJobFailed' } });
    expect((await send('PUT', id, versionBody())).status).toBe(409);
    expect((await send('DELETE', id)).status).toBe(202);
    await clock.advance(60_000);
    expect((await send('DELETE', id)).status).toBe(204);
    await make();
  });

  it('may be kept from deletion until its end of life', async () => {
    const publishingProfile = { endOfLifeDate: '2026-11-22T00:00:00Z' };
    const safetyProfile = { blockDeletionBeforeEndOfLife: true };
    const id = await make('1.0.0', { publishingProfile, safetyProfile });
    expect(await send('DELETE', id)).toMatchObject({
      status: 409,
      body: { error: { code: 'OperationNotAllowed' } },
    });
    expect((await send('DELETE', definition)).body.error.code).toBe('CannotDeleteResource');
  });

  it.each([
    [{ publishingProfile: { targetRegions: [{ name: 'westus' }] } }, 'InvalidParameter'],
    [
      { publishingProfile: { targetRegions: [{ name: 'eastus' }, { name: 'East US' }] } },
      'InvalidParameter',
    ],
    [{ storageProfile: {} }, 'InvalidParameter'],
    [{ storageProfile: { source: { id: `${definition}/versions/9.9.9` } } }, 'NotFound'],
    [{ surprise: true }, 'InvalidRequestContent'],
  ])('is refused with %j', async (wishes, code) => {
    const { body } = await send('PUT', `${definition}/versions/1.0.0`, versionBody(wishes));
    expect(body.error.code).toBe(code);
  });

  it.each(['1', '1.0', 'v1.0.0', '1.0.2147483648', '01.0.0'])(
    'can’t be called %s',
    async (name) => {
      const { body } = await send('PUT', `${definition}/versions/${name}`, versionBody());
      expect(body.error.code).toBe('InvalidParameter');
    },
  );
});

describe('an image definition', () => {
  it('has new defaults, and is told by publisher, offer and SKU', async () => {
    const identifier = { publisher: 'acme', offer: 'golden', sku: 'db' };
    const properties = { osType: 'Linux', osState: 'Generalized', identifier };
    const made = await send('PUT', `${gallery}/images/db`, { location: 'eastus', properties });
    expect(made.body.properties).toMatchObject({
      hyperVGeneration: 'V2',
      features: [{ name: 'SecurityType', value: 'TrustedLaunchSupported' }],
    });
    const same = await send('PUT', `${gallery}/images/db2`, { location: 'eastus', properties });
    expect(same.body.error.code).toBe('Conflict');
    const other = { ...properties, osType: 'Windows' };
    const change = await send('PUT', `${gallery}/images/db`, {
      location: 'eastus',
      properties: other,
    });
    expect(change.body.error.code).toBe('PropertyChangeNotAllowed');
  });
});

describe('Azure Resource Manager', () => {
  it('takes ids in any case, and writes groups in upper case in lists, page by page', async () => {
    await emulator.close();
    await start({ pageSize: 2 });
    for (const name of ['1.0.0', '1.1.0', '1.2.0']) await make(name);
    expect((await send('GET', definition.toUpperCase())).status).toBe(200);
    const first = await send('GET', `${definition}/versions`);
    expect(first.body.value).toHaveLength(2);
    const second = await send('GET', first.body.nextLink);
    expect(second.body.value.map(({ id }: { id: string }) => id)).toEqual([
      `${definition.replace('resourceGroups/images', 'resourceGroups/IMAGES')}/versions/1.2.0`,
    ]);
    expect(second.body.nextLink).toBeUndefined();
  });

  it('says what isn’t there', async () => {
    const missing = await send('GET', `${gallery}2`);
    expect(missing.body.error).toMatchObject({
      code: 'ResourceNotFound',
      message: expect.stringContaining(
        "'Microsoft.Compute/galleries/golden2' under resource group 'images'",
      ),
    });
    const orphan = await send('PUT', `${gallery}/images/none/versions/1.0.0`, versionBody());
    expect(orphan.body.error.code).toBe('ParentResourceNotFound');
    const version2 = await send('GET', gallery, undefined, { apiVersion: '2023-07-03' });
    expect(version2.body.error.code).toBe('InvalidRequestContent');
  });

  it('counts, and throttles what is too much', async () => {
    await emulator.close();
    const rates = { GetGalleryImageVersion: { per3Minutes: 2, per30Minutes: 9 } };
    await start({ rates });
    const id = `${definition}/versions/1.0.0`;
    emulator.seed(id, { location: 'eastus' });
    const header = 'x-ms-ratelimit-remaining-resource';
    expect((await send('GET', id)).headers.get(header)).toBe(
      'Microsoft.Compute/GetGalleryImageVersion3Min;1,Microsoft.Compute/GetGalleryImageVersion30Min;8',
    );
    await send('GET', id);
    const refused = await send('GET', id);
    expect(refused.status).toBe(429);
    expect(refused.headers.get('retry-after')).toBe('180');
    expect(refused.body.error.details[0].code).toBe('TooManyRequests');
    await clock.advance(180_000);
    expect((await send('GET', id)).status).toBe(200);
  });

  it('lets those in whom a role lets in', async () => {
    const principal = '11111111-2222-3333-4444-555555555555';
    const options = { token: emulator.token(principal) };
    expect((await send('GET', definition, undefined, options)).body.error.code).toBe(
      'AuthorizationFailed',
    );
    const role = 'cf7c76d2-98a3-4358-a134-615aa78bf44d';
    const roleDefinitionId = `/subscriptions/${subscription}/providers/Microsoft.Authorization/roleDefinitions/${role}`;
    const assignments = `${definition}/providers/Microsoft.Authorization/roleAssignments`;
    const body = {
      properties: { roleDefinitionId, principalId: principal, principalType: 'User' },
    };
    const name = '99999999-2222-3333-4444-555555555555';
    const rbac = { apiVersion: '2022-04-01' };
    expect((await send('PUT', `${assignments}/${name}`, body, rbac)).status).toBe(201);
    expect((await send('PUT', `${assignments}/${name}`, body, rbac)).status).toBe(200);
    const twice = await send('PUT', `${assignments}/${name.replace('9', '8')}`, body, rbac);
    expect(twice.body.error.code).toBe('RoleAssignmentExists');
    expect((await send('GET', definition, undefined, options)).status).toBe(200);
    expect((await send('DELETE', definition, undefined, options)).status).toBe(403);
    expect((await send('GET', gallery, undefined, options)).status).toBe(403);
    expect((await send('DELETE', `${assignments}/${name}`, undefined, rbac)).status).toBe(200);
    expect((await send('GET', definition, undefined, options)).status).toBe(403);
  });
});

describe('disks and snapshots', () => {
  const apiVersion = '2026-03-02';

  it('are made of nothing, of one another, and of images', async () => {
    const put = async (path: string, creationData: JsonObject, diskSizeGB?: number) => {
      const properties = { creationData, ...(diskSizeGB === undefined ? {} : { diskSizeGB }) };
      const answer = await send('PUT', path, { location: 'eastus', properties }, { apiVersion });
      await clock.advance(60_000);
      return answer;
    };
    expect((await put(at('disks/d1'), { createOption: 'Empty' })).status).toBe(400);
    expect((await put(at('disks/d1'), { createOption: 'Empty' }, 4)).status).toBe(202);
    const sourceResourceId = at('disks/d1');
    await put(at('snapshots/s1'), { createOption: 'Copy', sourceResourceId });
    const snapshot = (await send('GET', at('snapshots/s1'), undefined, { apiVersion })).body;
    expect(snapshot.properties).toMatchObject({ diskSizeGB: 4, provisioningState: 'Succeeded' });
    const copy = { createOption: 'Copy', sourceResourceId: at('snapshots/s1') };
    expect((await put(at('disks/d2'), copy, 3)).status).toBe(400);
    const galleryImageReference = { id: await make() };
    await put(at('disks/d3'), { createOption: 'FromImage', galleryImageReference });
    const { body } = await send('GET', at('disks/d3'), undefined, { apiVersion });
    expect(body.properties.diskSizeGB).toBe(3);
    expect((await put(at('disks/d1'), copy, 4)).body.error.code).toBe('PropertyChangeNotAllowed');
  });
});
