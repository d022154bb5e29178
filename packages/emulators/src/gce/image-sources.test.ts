import { gzipSync } from 'node:zlib';

import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import { rest, type Rest } from '../../test/rest.ts';
import type { JsonObject } from '../control-plane/json.ts';
import { startGceEmulator, type GceEmulator } from '../gce-emulator.ts';

const project = 'imgkit-test';
const zone = '/zones/us-central1-a';

let emulator: GceEmulator;
let api: Rest;

beforeAll(async () => {
  emulator = await startGceEmulator({
    projects: [
      { id: project },
      { id: 'other', bindings: [{ role: 'roles/owner', members: [eve] }] },
    ],
  });
  emulator.project(project).addBucket('uploads');
  emulator.project(project).addImage({ name: 'base', fields: { architecture: 'ARM64' } });
  api = rest(emulator, project);
});
afterAll(() => emulator.close());

const eve = 'user:eve@example.com';
const gib = 2 ** 30;

const image = async (name: string) => (await api.send('GET', `/global/images/${name}`)).body;
const insert = (name: string, source: JsonObject, query = '') =>
  api.settle('POST', `/global/images${query}`, { name, ...source });

/** A tar file with one empty file in it, which says that it has a size. */
function archive(name: string, size: number): Uint8Array {
  const header = Buffer.alloc(512);
  header.write(name, 0);
  if (size < 8 ** 11) header.write(size.toString(8).padStart(11, '0'), 124);
  else {
    header[124] = 0x80;
    header.writeBigUInt64BE(BigInt(size), 128);
  }
  header.write('ustar', 257);
  return gzipSync(Buffer.concat([header, Buffer.alloc(1024)]));
}

async function upload(name: string, bytes: Uint8Array): Promise<string> {
  const url = `${emulator.storageEndpoint}/upload/storage/v1/b/uploads/o?uploadType=media&name=${name}`;
  expect((await fetch(url, { method: 'POST', body: Buffer.from(bytes) })).status).toBe(200);
  return `https://storage.googleapis.com/uploads/${name}`;
}

describe('an image of an archive in Cloud Storage', () => {
  it.each([
    ['small', 3 * gib, '3'],
    ['large', 10 * gib, '10'],
  ])('has the size of its disk: %s', async (name, size, sizeGb) => {
    const source = await upload(`${name}.tar.gz`, archive('disk.raw', size));
    const done = await insert(name, { rawDisk: { source, containerType: 'TAR' } });
    expect(done).not.toHaveProperty('error');
    expect(await image(name)).toMatchObject({
      status: 'READY',
      diskSizeGb: sizeGb,
      rawDisk: { source, containerType: 'TAR' },
      archiveSizeBytes: expect.stringMatching(/^\d+$/),
    });
  });

  it.each([
    ['no gzip', Buffer.from('hello'), 'not a valid image'],
    ['no tar', gzipSync(Buffer.alloc(2048)), 'no tar archive'],
    ['another file', archive('root.img', gib), '"root.img"'],
    ['a size between', archive('disk.raw', gib + 512), 'multiple of 1 GB'],
  ])('fails with %s', async (what, bytes, message) => {
    const name = what.replaceAll(' ', '-');
    const source = await upload(name, bytes);
    expect(await insert(name, { rawDisk: { source } })).toMatchObject({
      error: { errors: [{ message: expect.stringContaining(message) }] },
      httpErrorStatusCode: 400,
    });
    expect(await image(name)).toMatchObject({ status: 'FAILED' });
  });

  it('fails without the archive', async () => {
    const rawDisk = { source: 'https://storage.googleapis.com/uploads/none' };
    expect(await insert('none', { rawDisk })).toMatchObject({ httpErrorStatusCode: 404 });
  });

  it('is refused for an address that is none', async () => {
    const wrong = { name: 'wrong', rawDisk: { source: 'https://example.com/disk.tar.gz' } };
    expect(await api.send('POST', '/global/images', wrong)).toMatchObject({ status: 400 });
  });

  it('is only for those who may read it', async () => {
    const source = await upload('private.tar.gz', archive('disk.raw', gib));
    const body = { name: 'stolen', rawDisk: { source } };
    const answer = await rest(emulator, 'other', eve).send('POST', '/global/images', body);
    expect(answer).toMatchObject({
      status: 403,
      message: expect.stringContaining('storage.objects.get'),
    });
  });
});

describe('an image of a disk', () => {
  it('has its size and its architecture', async () => {
    await api.settle('POST', `${zone}/disks?sourceImage=global/images/base`, {
      name: 'd1',
      sizeGb: '20',
    });
    await insert('of-d1', { sourceDisk: 'zones/us-central1-a/disks/d1' });
    expect(await image('of-d1')).toMatchObject({
      diskSizeGb: '20',
      architecture: 'ARM64',
      sourceDisk: expect.stringMatching(/^https:.*\/zones\/us-central1-a\/disks\/d1$/),
      sourceDiskId: expect.stringMatching(/^\d+$/),
    });
    const foreign = { name: 'x', sourceDisk: `projects/${project}${zone}/disks/d1` };
    const answer = await rest(emulator, 'other', eve).send('POST', '/global/images', foreign);
    expect(answer).toMatchObject({
      status: 403,
      message: expect.stringContaining('compute.disks.useReadOnly'),
    });
  });

  it('that a machine is running from is refused unless it is forced', async () => {
    await api.settle('POST', `${zone}/instances`, {
      name: 'vm',
      machineType: 'zones/us-central1-a/machineTypes/e2-small',
      disks: [{ boot: true, initializeParams: { sourceImage: 'global/images/base' } }],
      networkInterfaces: [{ network: 'global/networks/default' }],
    });
    const source = { sourceDisk: 'zones/us-central1-a/disks/vm' };
    expect(await api.send('POST', '/global/images', { name: 'of-vm', ...source })).toMatchObject({
      status: 400,
      reason: 'resourceInUseByAnotherResource',
      message: `The disk resource 'projects/${project}${zone}/disks/vm' is already being used by 'projects/${project}${zone}/instances/vm'`,
    });
    await insert('forced', source, '?forceCreate=true');
    expect(await image('forced')).toMatchObject({ status: 'READY' });
    await api.settle('POST', `${zone}/instances/vm/stop`);
    await insert('of-stopped', source);
    expect(await image('of-stopped')).toMatchObject({ status: 'READY' });
  });
});

describe('an image of a snapshot', () => {
  it('has the size of its disk', async () => {
    await api.settle('POST', `${zone}/disks`, { name: 'd2', sizeGb: '30' });
    await api.settle('POST', `${zone}/disks/d2/createSnapshot`, { name: 's2' });
    await insert('of-s2', { sourceSnapshot: 'global/snapshots/s2' });
    expect(await image('of-s2')).toMatchObject({
      diskSizeGb: '30',
      sourceSnapshot: expect.stringMatching(/\/global\/snapshots\/s2$/),
    });
  });
});
