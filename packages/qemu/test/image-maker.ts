// Makes an image, a disk and a snapshot of it, each by a key, and ends: run by the crash test.
import { flushCompileCache } from 'node:module';

import { ImgkitError } from '@imgkit/core';

import { QemuDisks } from '../src/disks.ts';
import { QemuImages } from '../src/images.ts';
import { LocalContext } from '../src/resources/context.ts';
import type { Machines } from '../src/resources/machines.ts';
import { QemuSnapshots } from '../src/snapshots.ts';

const [root = '', file = ''] = process.argv.slice(2);

function none(): never {
  throw new ImgkitError('NOT_FOUND', 'there are no machines here');
}

const machines: Machines = {
  capture: none,
  captureDisk: async () => undefined,
  attachedTo: async () => [],
  restore: none,
};
const context = new LocalContext({ root, provider: 'qemu', project: 'default' });
const images = new QemuImages(context, machines);
const disks = new QemuDisks(context, machines);
const snapshots = new QemuSnapshots(context, machines);

flushCompileCache();
console.log('ready');
const source = { kind: 'file', file } as const;
const image = await images.create({ name: 'web-1', source, idempotencyKey: 'image' });
const disk = await disks.create({
  name: 'data',
  source: { kind: 'image', image: image.ref },
  idempotencyKey: 'disk',
});
await snapshots.create({ name: 'backup', disk: disk.id, idempotencyKey: 'snapshot' });
await context.close();
console.log('done');
