import {
  checkedGuestUser,
  checkedPublicKey,
  checkedStartupScript,
  guestUserData,
  ImgkitError,
  type LaunchRequest,
  type MachineTemplate,
} from '@imgkit/core';
import { z } from 'zod';

import type { RestoredDisk } from '../resources/machines.ts';
import { getReady } from '../resources/access.ts';
import { parseId, type LocalContext } from '../resources/context.ts';
import { recordsOf } from '../resources/creation.ts';
import { usableImage } from '../resources/image-access.ts';
import { diskRecordKind, snapshotKind } from '../resources/kinds.ts';
import { checkedSize, checkInstant, invalid } from '../resources/rules.ts';
import { diskPath } from '../store/layout.ts';
import type { LocalStore } from '../store/local-store.ts';
import { defaultSize, type MachineSize } from './host.ts';
import { instanceKind } from './instance-record.ts';

/** A disk of a machine to be: a blob of the store, a free disk, or nothing yet. */
export type PlannedDisk =
  | {
      readonly kind: 'blob';
      readonly digest: string;
      readonly sizeBytes: number;
      readonly image?: string | undefined;
    }
  | {
      readonly kind: 'disk';
      readonly id: string;
      readonly path: string;
      readonly sizeBytes: number;
    }
  | { readonly kind: 'empty'; readonly sizeBytes: number; readonly deleteWithInstance: boolean };

/** A machine to be, looked up and checked; nothing is made yet. */
export interface LaunchPlan {
  readonly size: MachineSize;
  /** The boot disk first. */
  readonly disks: readonly PlannedDisk[];
  /** The image it boots from, if it does. */
  readonly image?: string | undefined;
  readonly isolated: boolean;
  readonly cpuModel?: string | undefined;
}

const optionsSchema = z.strictObject({
  /** Cuts the guest off from everything but its forwarded ports. */
  isolated: z.boolean().optional(),
  /** The processor as QEMU calls it. */
  cpuModel: z
    .string()
    .regex(/^[\w.,=+-]+$/)
    .optional(),
});

/** How many disks a machine can have. */
export const mostDisks = 16;
const mostCpus = 64;
const leastMemoryMiB = 64;

/** @throws `INVALID_ARGUMENT` for what can be told from a request alone. */
export function checkTemplate(template: MachineTemplate): void {
  const {
    authorizedKeys = [],
    metadata = {},
    ports = [],
    startupScript: script,
    userData: data,
  } = template;
  if (script !== undefined && data !== undefined) {
    throw invalid(
      'startupScript and userData are both given',
      'Give one: user data can hold the script.',
    );
  }
  if (script !== undefined) checkedStartupScript(script);
  if (data !== undefined) {
    guestUserData({ authorizedKeys: [], userData: data });
  }
  for (const key of authorizedKeys) {
    checkedGuestUser(key.user);
    checkedPublicKey(key);
  }
  for (const port of ports) {
    if (!Number.isSafeInteger(port) || port < 1 || port > 65_535) {
      throw invalid(`${port} is not a TCP port`, 'Use a whole number from 1 to 65535.');
    }
  }
  for (const [key, value] of Object.entries(metadata)) {
    if (typeof value !== 'string')
      throw invalid(`metadata "${key}" is not a text`, 'Write it as one.');
  }
  if ((template.disks ?? []).length >= mostDisks) {
    throw invalid('so many disks are too many', `A machine can have ${mostDisks}.`);
  }
  sizeOf(template.machineType);
  optionsOf(template);
}

/** @throws `INVALID_ARGUMENT` for what can be told from a request alone. */
export function checkLaunch(request: Omit<LaunchRequest, 'boot'>): void {
  checkTemplate({ ...request, boot: { kind: 'disk', disk: '' } });
  checkInstant('expiresAt', request.expiresAt);
  if (request.hostKey !== undefined) checkedPublicKey(request.hostKey);
}

/** Looks up what a machine is launched from. */
export function planLaunch(
  context: LocalContext,
  store: LocalStore,
  template: MachineTemplate,
): LaunchPlan {
  const boot = planBoot(context, store, template);
  const image = boot.kind === 'blob' ? boot.image : undefined;
  return { ...planCommon(template), disks: [boot, ...planExtra(context, store, template)], image };
}

/** A plan for the disks of a machine image. */
export function planRestore(
  context: LocalContext,
  store: LocalStore,
  template: Omit<MachineTemplate, 'boot'>,
  disks: readonly RestoredDisk[],
): LaunchPlan {
  const restored = disks
    .toSorted((a, b) => Number(b.boot) - Number(a.boot))
    .map(({ digest, sizeBytes, boot }) => ({
      kind: 'blob' as const,
      digest,
      sizeBytes: boot ? enlarged(sizeBytes, template.bootDiskSizeBytes) : sizeBytes,
    }));
  return { ...planCommon(template), disks: [...restored, ...planExtra(context, store, template)] };
}

function planCommon(template: Omit<MachineTemplate, 'boot'>): Omit<LaunchPlan, 'disks'> {
  const { isolated = false, cpuModel } = optionsOf(template);
  return { size: sizeOf(template.machineType), isolated, cpuModel };
}

function planBoot(
  context: LocalContext,
  store: LocalStore,
  template: MachineTemplate,
): PlannedDisk {
  const { boot, bootDiskSizeBytes } = template;
  switch (boot.kind) {
    case 'image': {
      const { id, digest, diskSizeBytes } = usableImage(context, store, boot.image);
      return {
        kind: 'blob',
        digest,
        sizeBytes: enlarged(diskSizeBytes, bootDiskSizeBytes),
        image: id,
      };
    }
    case 'snapshot': {
      const { doc } = getReady(context, store, snapshotKind, boot.snapshot);
      const { digest = '', diskSizeBytes, image } = doc;
      return { kind: 'blob', digest, sizeBytes: enlarged(diskSizeBytes, bootDiskSizeBytes), image };
    }
    case 'disk': {
      const disk = freeDisk(context, store, boot.disk);
      if (enlarged(disk.sizeBytes, bootDiskSizeBytes) === disk.sizeBytes) return disk;
      throw invalid(
        `disk "${boot.disk}" can't be made larger here`,
        'Leave bootDiskSizeBytes out.',
      );
    }
    default:
      throw invalid('a machine boots from an image, a disk or a snapshot', 'Name exactly one.');
  }
}

function planExtra(
  context: LocalContext,
  store: LocalStore,
  { disks = [] }: Omit<MachineTemplate, 'boot'>,
): PlannedDisk[] {
  return disks.map((disk) => {
    if ('disk' in disk) return freeDisk(context, store, disk.disk);
    const { sizeBytes, deleteWithInstance = true } = disk;
    return { kind: 'empty', sizeBytes: checkedSize('a disk', sizeBytes), deleteWithInstance };
  });
}

function freeDisk(
  context: LocalContext,
  store: LocalStore,
  id: string,
): Extract<PlannedDisk, { kind: 'disk' }> {
  const record = getReady(context, store, diskRecordKind, id);
  const [instance] = instancesWith(context, store, id);
  if (instance !== undefined) {
    throw new ImgkitError('IN_USE', `disk "${record.name}" is attached to instance "${instance}"`, {
      resource: id,
      hint: 'A disk belongs to one instance at a time.',
    });
  }
  return {
    kind: 'disk',
    id,
    path: diskPath(store.layout, record.seq),
    sizeBytes: record.doc.sizeBytes,
  };
}

/** The names of the instances of this project that have the disk, also of those that are being made. */
export function instancesWith(context: LocalContext, store: LocalStore, disk: string): string[] {
  const records = recordsOf(store, instanceKind).all(context.project);
  const maker = /\.(\d+)\.\d+$/.exec(parseId(disk, 'disks')?.name ?? '')?.[1];
  return records
    .filter(
      ({ seq, state, doc }) =>
        doc.disks.some(({ id }) => id === disk) || (state !== 'READY' && String(seq) === maker),
    )
    .map(({ name }) => name);
}

function enlarged(least: number, wanted: number | undefined): number {
  return wanted === undefined ? least : checkedSize('the boot disk', wanted, least);
}

/** The processors and the memory that a size means. */
export function sizeOf(type: MachineTemplate['machineType']): MachineSize {
  if (type === undefined) return defaultSize();
  const named = typeof type === 'string' ? /^custom-(\d+)-(\d+)$/.exec(type) : undefined;
  const size =
    typeof type === 'string'
      ? { cpus: Number(named?.[1] ?? 0), memoryMiB: Number(named?.[2] ?? 0) }
      : { cpus: type.cpus, memoryMiB: Math.ceil(type.memoryBytes / 2 ** 20) };
  const valid =
    Number.isSafeInteger(size.cpus) &&
    Number.isSafeInteger(size.memoryMiB) &&
    size.cpus >= 1 &&
    size.cpus <= mostCpus &&
    size.memoryMiB >= leastMemoryMiB;
  if (valid) return size;
  throw invalid(
    `${JSON.stringify(type)} is not the size of a machine`,
    `Write custom-<cpus>-<MiB of memory>, for example custom-2-1024, with 1 to ${mostCpus} cpus and at least ${leastMemoryMiB} MiB.`,
  );
}

function optionsOf({
  providerOptions = {},
}: Omit<MachineTemplate, 'boot'>): z.infer<typeof optionsSchema> {
  const parsed = optionsSchema.safeParse(providerOptions);
  if (parsed.success) return parsed.data;
  throw invalid(
    `the provider options are wrong: ${z.prettifyError(parsed.error)}`,
    'See the guide of the QEMU provider.',
  );
}
