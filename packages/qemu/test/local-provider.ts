import { join } from 'node:path';

import {
  ImgkitError,
  startOperation,
  type Instance,
  type Json,
  type LaunchRequest,
  type Operation,
} from '@imgkit/core';
import { onTestFinished } from 'vitest';

import { QemuDeprecation } from '../src/deprecation.ts';
import { QemuDisks } from '../src/disks.ts';
import { QemuImages } from '../src/images.ts';
import { QemuMachineImages } from '../src/machine-images.ts';
import { QemuPublishing } from '../src/publishing.ts';
import { LocalContext, type LocalContextOptions } from '../src/resources/context.ts';
import type { Capture, CaptureOptions, Machines, RestoredDisk } from '../src/resources/machines.ts';
import { QemuSharing } from '../src/sharing.ts';
import { QemuSnapshots } from '../src/snapshots.ts';
import { QemuTransfer } from '../src/transfer.ts';
import { QemuUsage } from '../src/usage.ts';
import { makeRaw, run, scratch } from './scratch.ts';

/** A machine without QEMU: its disks, and whether it is said to run. */
export interface TestMachine {
  running: boolean;
  readonly disks: readonly {
    readonly id: string;
    readonly path: string;
    readonly sizeBytes: number;
  }[];
  readonly image?: string | undefined;
}

/** Machines as far as the store's side of the provider asks for them. */
export class TestMachines implements Machines {
  readonly all = new Map<string, TestMachine>();
  readonly restored: { name: string; disks: readonly RestoredDisk[]; configuration: Json }[] = [];
  readonly captures: CaptureOptions[] = [];
  held = 0;

  async capture(instance: string, options: CaptureOptions): Promise<Capture> {
    const machine = this.all.get(instance);
    if (machine === undefined) throw new ImgkitError('NOT_FOUND', `there is no ${instance}`);
    if (machine.running && options.whenRunning === 'refuse')
      throw new ImgkitError('FAILED_PRECONDITION', `${instance} is RUNNING`);
    if (options.whenRunning === 'stop') machine.running = false;
    this.captures.push(options);
    this.held += 1;
    const disks = machine.disks.map(({ id, path, sizeBytes }, index) => {
      const boot = index === 0;
      return { id, path, sizeBytes, boot, image: machine.image };
    });
    return {
      instance,
      disks: options.disks === 'all' ? disks : disks.slice(0, 1),
      machineType: '2x512',
      configuration: { cpus: 2, ports: [80] },
      [Symbol.asyncDispose]: async () => {
        this.held -= 1;
      },
    };
  }

  async captureDisk(disk: string): Promise<Capture | undefined> {
    for (const [instance, { disks }] of this.all) {
      const found = disks.find(({ id }) => id === disk);
      if (found === undefined) continue;
      const capture = await this.capture(instance, { disks: 'all', whenRunning: 'now' });
      return { ...capture, disks: capture.disks.filter(({ id }) => id === disk) };
    }
    return undefined;
  }

  async attachedTo(disk: string): Promise<readonly string[]> {
    return [...this.all].flatMap(([id, { disks }]) =>
      disks.some((one) => one.id === disk) ? [id] : [],
    );
  }

  restore(
    request: Omit<Partial<LaunchRequest>, 'boot' | 'name' | 'warmStart'> & {
      readonly name: string;
    },
    disks: readonly RestoredDisk[],
    configuration: Json,
  ): Operation<Instance> {
    const { name, machineType } = request;
    this.restored.push({ name, disks, configuration });
    return startOperation(async ({ accepted }) => {
      accepted(`instances.launch ${name}`);
      return {
        id: `projects/default/instances/${name}`,
        name,
        status: 'RUNNING' as const,
        createdAt: new Date(0).toISOString(),
        labels: {},
        machineType: typeof machineType === 'string' ? machineType : '2x512',
        disks: [],
        metadata: {},
      };
    });
  }
}

/** All capabilities of the store's side of the provider. */
export function localProvider(options: LocalContextOptions, machines = new TestMachines()) {
  const context = new LocalContext(options);
  onTestFinished(() => context.close());
  return {
    context,
    machines,
    images: new QemuImages(context, machines),
    publishing: new QemuPublishing(context),
    deprecation: new QemuDeprecation(context),
    sharing: new QemuSharing(context),
    snapshots: new QemuSnapshots(context, machines),
    disks: new QemuDisks(context, machines),
    machineImages: new QemuMachineImages(context, machines),
    transfer: new QemuTransfer(context),
    usage: new QemuUsage(context, {}),
  };
}

/** A provider of the project `default` with a store of its own. */
export async function freshProvider(options: Partial<LocalContextOptions> = {}) {
  const root = join(await scratch(), 'store');
  return localProvider({ root, provider: 'qemu', project: 'default', ...options });
}

export type LocalProvider = ReturnType<typeof localProvider>;

/** A raw disk file with some random data; all of the same `size` in bytes are different. */
export async function diskFile(size = 2 ** 20): Promise<string> {
  return makeRaw(join(await scratch(), 'disk.raw'), size, [{ at: 0, length: 65_536 }]);
}

/** Makes an image of a fresh disk file. */
export async function makeImage(provider: LocalProvider, name: string, family?: string) {
  const source = { kind: 'file', file: await diskFile() } as const;
  return provider.images.create({ name, source, family, staged: true });
}

/** All a listing gives. */
export async function collect<T>(listing: AsyncIterable<T>): Promise<T[]> {
  const items: T[] = [];
  for await (const item of listing) items.push(item);
  return items;
}

/** The names a listing gives. */
export async function names(listing: AsyncIterable<{ readonly name: string }>): Promise<string[]> {
  return (await collect(listing)).map(({ name }) => name);
}

/** Whether two disks have the same content, holes and lengths of zeros aside. */
export async function sameDisk(a: string, b: string, formats = ['raw', 'qcow2']): Promise<boolean> {
  const [first = '', second = ''] = formats;
  return run('qemu-img', 'compare', '-f', first, '-F', second, a, b).then(
    () => true,
    () => false,
  );
}
