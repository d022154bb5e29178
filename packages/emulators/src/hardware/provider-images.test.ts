import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { createMemoryProvider } from '@imgkit/core/testing';
import { expect, it, onTestFinished } from 'vitest';

import { providerDisks } from './provider-disks.ts';
import { providerImages } from './provider-images.ts';
import { createThings, idOf } from './things.ts';

const mib = 2 ** 20;
const project = 'projects/p';

async function setUp() {
  const directory = await mkdtemp(join(tmpdir(), 'imgkit-emulator-test-'));
  onTestFinished(() => rm(directory, { recursive: true }));
  const path = join(directory, 'disk.raw');
  await writeFile(path, Buffer.alloc(mib, 7));
  const provider = createMemoryProvider();
  const things = createThings(provider);
  const images = providerImages(things);
  const base = `${project}/global/images/base`;
  await images.createImage(base, { kind: 'file', path });
  const originOf = async (link: string) => {
    const image = await provider.images.get(idOf(things.images, link).id);
    return image.origin?.kind;
  };
  return { provider, things, images, disks: providerDisks(things), base, path, originOf };
}

it('real images are made of what the emulated ones are', async () => {
  const { images, disks, base, originOf } = await setUp();
  expect(await originOf(base)).toBe('file');
  const disk = `${project}/zones/z/disks/d`;
  await disks.createDisk(disk, { kind: 'image', link: base }, 2 * mib);
  const snapshot = `${project}/global/snapshots/s`;
  await disks.createSnapshot(snapshot, disk);
  const sources = [
    ['copy', 'image', base, mib],
    ['of-disk', 'disk', disk, 2 * mib],
    ['of-snapshot', 'snapshot', snapshot, 2 * mib],
  ] as const;
  for (const [name, kind, link, size] of sources) {
    const image = `${project}/global/images/${name}`;
    expect(await images.createImage(image, { kind, link })).toMatchObject({ diskSizeBytes: size });
    expect(await originOf(image)).toBe(kind);
  }
});

it('the disk of a running machine is taken through the machine', async () => {
  const { provider, things, images, disks, base, originOf } = await setUp();
  const [disk, vm] = [`${project}/zones/z/disks/d`, `${project}/zones/z/instances/vm`];
  await disks.createDisk(disk, { kind: 'image', link: base }, mib);
  const boot = { kind: 'disk', disk: idOf(things.disks, disk) } as const;
  const { id } = await provider.instances.launch({ name: 'vm', boot });
  things.instances.set(vm, id);
  things.users.set(disk, vm);
  const image = `${project}/global/images/of-vm`;
  await images.createImage(image, { kind: 'disk', link: disk });
  expect(await originOf(image)).toBe('instance');
});

it('real images are deleted with the emulated ones, once', async () => {
  const { provider, things, images, base } = await setUp();
  const { id } = idOf(things.images, base);
  await images.deleteImage(base);
  await expect(provider.images.get(id)).rejects.toMatchObject({ code: 'NOT_FOUND' });
  await images.deleteImage(base);
  const copy = images.createImage('copy', { kind: 'image', link: base });
  await expect(copy).rejects.toThrow(`behind '${base}'`);
});

it('an archive is imported as what it is', async () => {
  const { images, path } = await setUp();
  // The memory provider takes no archives, and says so.
  const imported = images.createImage('archive', { kind: 'archive', path });
  await expect(imported).rejects.toMatchObject({
    code: 'UNSUPPORTED',
    message: expect.stringContaining('gce-tar'),
  });
});
