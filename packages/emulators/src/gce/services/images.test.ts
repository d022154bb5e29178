import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import { computeClients, type ComputeClients } from '../../../test/compute-clients.ts';
import { rest, type Rest } from '../../../test/rest.ts';
import { createVirtualClock } from '../../control-plane/clock.ts';
import { textOf } from '../../control-plane/json.ts';
import { startGceEmulator, type GceEmulator } from '../../gce-emulator.ts';

const project = 'imgkit-test';
const base = 'https://www.googleapis.com/compute/v1/projects/';

let emulator: GceEmulator;
let clients: ComputeClients;
let api: Rest;

beforeAll(async () => {
  emulator = await startGceEmulator({ projects: [{ id: project }, { id: 'debian-cloud' }] });
  emulator.project('debian-cloud').makePublic();
  emulator.project('debian-cloud').addImage({
    name: 'debian-12-v1',
    family: 'debian-12',
    labels: { os: 'debian' },
    fields: {
      architecture: 'X86_64',
      licenses: [`${base}debian-cloud/global/licenses/debian-12`],
      guestOsFeatures: [{ type: 'UEFI_COMPATIBLE' }],
    },
  });
  clients = computeClients(emulator.endpoint);
  api = rest(emulator, project);
});
afterAll(async () => {
  await clients[Symbol.asyncDispose]();
  await emulator.close();
});

async function insert(name: string, more: object = {}): Promise<void> {
  const started = await clients.call('images', 'insert', {
    project,
    imageResource: {
      name,
      sourceImage: 'projects/debian-cloud/global/images/debian-12-v1',
      ...more,
    },
  });
  const done = await clients.settle(started);
  expect(done['error'] ?? undefined).toBeUndefined();
}

const get = async (name: string) => (await api.send('GET', `/global/images/${name}`)).body;

const deprecate = (name: string, block: object) =>
  api.settle('POST', `/global/images/${name}/deprecate`, JSON.parse(JSON.stringify(block)));

const use = (name: string) =>
  api.send('POST', '/global/images', {
    name: `of-${name}-${emulator.requests.length}`,
    sourceImage: `global/images/${name}`,
  });

const head = async (path: string) => {
  const { status, body } = await api.send('GET', path);
  const image = path.includes('FamilyViews') ? body['image'] : body;
  return status === 200 ? Object(image)['name'] : status;
};

describe("an image, through Google's own client", () => {
  it('is made of an image of another project, and takes over what it must', async () => {
    await insert('web-1', { family: 'web', labels: { env: 'prod' }, storageLocations: ['eu'] });
    expect(await get('web-1')).toEqual({
      kind: 'compute#image',
      id: expect.stringMatching(/^\d{19}$/),
      creationTimestamp: expect.stringMatching(/^\d{4}-.*-08:00$/),
      name: 'web-1',
      selfLink: `${base}${project}/global/images/web-1`,
      family: 'web',
      sourceType: 'RAW',
      status: 'READY',
      diskSizeGb: '10',
      archiveSizeBytes: expect.stringMatching(/^\d+$/),
      storageLocations: ['eu'],
      architecture: 'X86_64',
      guestOsFeatures: [{ type: 'UEFI_COMPATIBLE' }],
      licenses: [`${base}debian-cloud/global/licenses/debian-12`],
      sourceImage: `${base}debian-cloud/global/images/debian-12-v1`,
      sourceImageId: expect.stringMatching(/^\d{19}$/),
      labels: { env: 'prod' },
      labelFingerprint: expect.any(String),
    });
    const [image] = await clients.call('images', 'get', { project, image: 'web-1' });
    expect(image).toMatchObject({ name: 'web-1', diskSizeGb: '10', labels: { env: 'prod' } });
  });

  it('is PENDING until its operation is done', async () => {
    const clock = createVirtualClock();
    await using slow = await startGceEmulator({ clock, operationMs: 1000 });
    slow.project(project).addImage({ name: 'base' });
    const timed = rest(slow, project);
    const status = async () => {
      const { body } = await timed.send('GET', '/global/images/slow');
      return body['status'];
    };
    const body = { name: 'slow', sourceImage: 'global/images/base' };
    const started = await timed.send('POST', '/global/images', body);
    expect(started.body).toMatchObject({
      kind: 'compute#operation',
      operationType: 'insert',
      status: 'RUNNING',
      progress: 0,
      targetLink: `${base}${project}/global/images/slow`,
      user: 'owner@example.com',
    });
    await clock.advance(999);
    expect(await status()).toBe('PENDING');
    expect(await timed.send('DELETE', '/global/images/slow')).toMatchObject({
      status: 400,
      reason: 'resourceNotReady',
    });
    const copy = { name: 'copy', sourceImage: 'global/images/slow' };
    expect(await timed.send('POST', '/global/images', copy)).toMatchObject({
      reason: 'resourceNotReady',
    });
    await clock.advance(1);
    expect(await status()).toBe('READY');
  });

  it.each([
    ['no name', { name: undefined }, 'required', "'resource.name'"],
    ['a bad name', { name: 'Web' }, 'invalid', "'resource.name': 'Web'"],
    ['a bad family', { family: 'web_' }, 'invalid', "'resource.family'"],
    ['a bad label', { labels: { Env: 'x' } }, 'invalid', "'resource.labels.key'"],
    ['no source', { sourceImage: undefined }, 'invalid', 'exactly one of'],
    [
      'two sources',
      { sourceDisk: 'zones/us-east1-b/disks/d' },
      'invalid',
      'sourceDisk, sourceImage',
    ],
    ['a source of another kind', { sourceImage: 'global/snapshots/s' }, 'invalid', 'malformed'],
    [
      'a source that is not there',
      { sourceImage: 'global/images/none' },
      'notFound',
      'images/none',
    ],
    [
      'a family without a head',
      { sourceImage: 'global/images/family/none' },
      'notFound',
      'family/none',
    ],
    ['too small a disk', { diskSizeGb: '9' }, 'invalid', "'resource.diskSizeGb': '9'"],
    ['an unknown location', { storageLocations: ['mars'] }, 'invalid', "'mars'"],
    ['two locations', { storageLocations: ['us', 'eu'] }, 'invalid', 'Only one'],
  ])('is refused with %s', async (_, fields, reason, message) => {
    const body = { name: 'refused', sourceImage: 'global/images/web-1', ...fields };
    const answer = await api.send('POST', '/global/images', JSON.parse(JSON.stringify(body)));
    expect(answer).toMatchObject({ reason, message: expect.stringContaining(message) });
    expect(await api.send('GET', '/global/images/refused')).toMatchObject({ status: 404 });
  });

  it('comes once under a name', async () => {
    const again = clients.call('images', 'insert', {
      project,
      imageResource: { name: 'web-1', sourceImage: 'global/images/family/web' },
    });
    await expect(again).rejects.toMatchObject({ httpStatusCode: 409, code: 10 });
  });

  it('keeps no key that was given to it', async () => {
    await insert('secret', {
      imageEncryptionKey: { rawKey: Buffer.alloc(32, 7).toString('base64') },
    });
    const image = await get('secret');
    expect(image['imageEncryptionKey']).toEqual({ sha256: expect.any(String) });
    await insert('managed', { imageEncryptionKey: { kmsKeyName: 'projects/p/k' } });
    expect((await get('managed'))['imageEncryptionKey']).toEqual({
      kmsKeyName: 'projects/p/k/cryptoKeyVersions/1',
    });
  });

  it('changes its family and description, and nothing else, by patch', async () => {
    await insert('patched', { family: 'old', labels: { keep: 'it' } });
    const started = await clients.call('images', 'patch', {
      project,
      image: 'patched',
      imageResource: { family: 'new', description: 'better' },
    });
    await clients.settle(started);
    expect(await get('patched')).toMatchObject({
      family: 'new',
      description: 'better',
      labels: { keep: 'it' },
    });
    await api.settle('PATCH', '/global/images/patched', { family: '' });
    expect(await get('patched')).not.toHaveProperty('family');
    const labels = await api.send('PATCH', '/global/images/patched', { labels: { other: 'x' } });
    expect(labels).toMatchObject({
      status: 400,
      message: expect.stringContaining('resource.labels'),
    });
  });

  it('changes its labels only from where they are', async () => {
    await insert('labelled');
    const labelFingerprint = textOf(await get('labelled'), 'labelFingerprint');
    expect(labelFingerprint).toBe('42WmSpB8rSM=');
    const body = { labels: { a: 'b' }, labelFingerprint };
    await api.settle('POST', '/global/images/labelled/setLabels', body);
    expect(await get('labelled')).toMatchObject({ labels: { a: 'b' } });
    const stale = await api.send('POST', '/global/images/labelled/setLabels', body);
    expect(stale).toMatchObject({ status: 412, reason: 'conditionNotMet' });
    const blind = await api.send('POST', '/global/images/labelled/setLabels', { labels: {} });
    expect(blind.status).toBe(412);
  });

  it('is deleted', async () => {
    await insert('doomed');
    const started = await clients.call('images', 'delete', { project, image: 'doomed' });
    await clients.settle(started);
    expect(await api.send('GET', '/global/images/doomed')).toMatchObject({
      status: 404,
      reason: 'notFound',
      message: `The resource 'projects/${project}/global/images/doomed' was not found`,
    });
    expect(await api.send('DELETE', '/global/images/doomed')).toMatchObject({ status: 404 });
  });
});

describe('the deprecation of an image', () => {
  it('is replaced as a whole, and cleared', async () => {
    await insert('dep-1');
    await deprecate('dep-1', {
      state: 'DEPRECATED',
      replacement: 'global/images/web-1',
      deleted: '2027-01-01T00:00:00Z',
    });
    expect((await get('dep-1'))['deprecated']).toEqual({
      state: 'DEPRECATED',
      replacement: `${base}${project}/global/images/web-1`,
      deleted: '2027-01-01T00:00:00Z',
    });
    await deprecate('dep-1', { state: 'OBSOLETE' });
    expect((await get('dep-1'))['deprecated']).toEqual({ state: 'OBSOLETE' });
    const cleared = await clients.call('images', 'deprecate', {
      project,
      image: 'dep-1',
      deprecationStatusResource: {},
    });
    await clients.settle(cleared);
    expect(await get('dep-1')).not.toHaveProperty('deprecated');
    expect(
      emulator.requests.findLast(({ rpc }) => rpc === 'Images.Deprecate')?.body,
    ).toBeUndefined();
    const bad = await api.send('POST', '/global/images/dep-1/deprecate', { deleted: 'soon' });
    expect(bad).toMatchObject({
      status: 400,
      message: expect.stringContaining('resource.deleted'),
    });
  });

  it('warns of use, and refuses it', async () => {
    await insert('dep-2');
    expect((await use('dep-2')).body['warnings']).toBeUndefined();
    await deprecate('dep-2', { state: 'DEPRECATED', replacement: 'global/images/web-1' });
    const warned = await use('dep-2');
    expect(warned.body['warnings']).toEqual([
      {
        code: 'DEPRECATED_RESOURCE_USED',
        message: expect.stringContaining(`${base}${project}/global/images/web-1`),
        data: expect.arrayContaining([
          { key: 'resource_name', value: `projects/${project}/global/images/dep-2` },
        ]),
      },
    ]);
    for (const state of ['OBSOLETE', 'DELETED']) {
      await deprecate('dep-2', { state });
      expect(await use('dep-2')).toMatchObject({
        status: 400,
        message: expect.stringContaining(state.toLowerCase()),
      });
    }
    await deprecate('dep-2', { state: 'ACTIVE' });
    expect(await use('dep-2')).toMatchObject({ status: 200 });
  });
});

describe('a family', () => {
  const family = '/global/images/family/line';

  it('has its newest image that is ready and not deprecated as its head', async () => {
    expect(await head(family)).toBe(404);
    await insert('line-1', { family: 'line' });
    await insert('line-2', { family: 'line' });
    expect(await head(family)).toBe('line-2');
    await api.settle('POST', '/global/images/line-2/deprecate', { state: 'DEPRECATED' });
    expect(await head(family)).toBe('line-1');
    await api.settle('POST', '/global/images/line-2/deprecate', { state: 'ACTIVE' });
    expect(await head(family)).toBe('line-2');
    emulator.faults.add({ rpc: 'Images.Insert', kind: 'operation-error', code: 'INTERNAL_ERROR' });
    await api.settle('POST', '/global/images', {
      name: 'line-3',
      family: 'line',
      sourceImage: 'global/images/line-2',
    });
    expect(await head(family)).toBe('line-2');
  });

  it('has the head of a zone where not all is rolled out', async () => {
    const zone = '/zones/us-central1-a/imageFamilyViews/line';
    expect(await head(zone)).toBe('line-2');
    emulator.project(project).rollOut('line-2', ['us-central1-b']);
    expect(await head(zone)).toBe('line-1');
    expect(await head('/zones/us-central1-b/imageFamilyViews/line')).toBe('line-2');
    const region = { project, region: 'us-central1', resourceId: 'line-2' };
    const [seen] = await clients.call('image_views', 'get', region);
    expect(seen['image']).toMatchObject({ name: 'line-2' });
    const unseen = clients.call('image_views', 'get', { ...region, region: 'us-east1' });
    await expect(unseen).rejects.toMatchObject({ httpStatusCode: 404 });
    emulator.project(project).rollOut('line-2', undefined);
    const [view] = await clients.call('image_family_views', 'get', {
      project,
      zone: 'us-central1-a',
      family: 'line',
    });
    expect(view['image']).toMatchObject({ name: 'line-2' });
  });
});

describe('a listing', () => {
  it('shows the images of its project only, page by page', async () => {
    const [first, next, raw] = await clients.call(
      'images',
      'list',
      { project, maxResults: 2 },
      { autoPaginate: false },
    );
    expect(first).toHaveLength(2);
    expect(next).toMatchObject({ pageToken: expect.any(String) });
    expect(raw).toMatchObject({ kind: 'compute#imageList' });
    const [all] = await clients.call('images', 'list', { project, maxResults: 2 });
    const listed = await api.send('GET', '/global/images');
    const items = Array.isArray(listed.body['items']) ? listed.body['items'] : [];
    expect(all).toHaveLength(items.length);
    expect(items.map((item) => textOf(item, 'name'))).not.toContain('debian-12-v1');
  });
});

it('was all asked as the API wants it', () => {
  expect(emulator.violations).toEqual([]);
});
