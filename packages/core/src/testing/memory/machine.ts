import { randomUUID } from 'node:crypto';
import type { LaunchRequest, MachineTemplate } from '../../spec/capabilities/instances.ts';
import { ImgkitError } from '../../spec/errors.ts';
import { emptyContent, grown, type Content } from './content.ts';
import type { MemoryContext } from './context.ts';
import { ownRow } from './creation.ts';
import { diskKind, usersOf } from './disks.ts';
import type { MemoryGuest, MemoryMachine } from './guest.ts';
import { usableImage } from './image-access.ts';
import type { Attachment, DiskRow, InstanceRow } from './records.ts';
import type { Row } from './table.ts';

/** What a new machine's disks will be. */
export interface PlannedDisks {
  readonly boot: PlannedDisk;
  /** The image it comes from. */
  readonly image: string | undefined;
  readonly extra: readonly PlannedDisk[];
}

/** An existing disk, or a new one. */
export type PlannedDisk =
  | { readonly disk: string }
  | { readonly content: Content; readonly deleteWithInstance: boolean };

/** Looks up what a machine boots from, and its further disks. Nothing is made yet. */
export function planDisks(context: MemoryContext, template: MachineTemplate): PlannedDisks {
  return { ...planBoot(context, template), extra: planExtra(context, template) };
}

/** Looks up the further disks of a machine. */
export function planExtra(
  context: MemoryContext,
  { disks = [] }: MachineTemplate,
): PlannedDisks['extra'] {
  return disks.map((disk) =>
    'disk' in disk
      ? { disk: freeDisk(context, disk.disk).id }
      : {
          content: emptyContent(disk.sizeBytes),
          deleteWithInstance: disk.deleteWithInstance ?? true,
        },
  );
}

function planBoot(
  context: MemoryContext,
  { boot, bootDiskSizeBytes: size }: MachineTemplate,
): Pick<PlannedDisks, 'boot' | 'image'> {
  switch (boot.kind) {
    case 'image': {
      const { id, content } = usableImage(context, boot.image);
      return { boot: { content: enlarged(content, size), deleteWithInstance: true }, image: id };
    }
    case 'snapshot': {
      const kind = { kind: 'snapshot', table: context.cloud.snapshots } as const;
      const { content, image } = ownRow(context, kind, boot.snapshot);
      return { boot: { content: enlarged(content, size), deleteWithInstance: true }, image };
    }
    case 'disk': {
      const { id, content, image } = freeDisk(context, boot.disk);
      enlarged(content, size);
      return { boot: { disk: id }, image };
    }
  }
}

function enlarged(content: Content, sizeBytes: number | undefined): Content {
  if (sizeBytes === undefined || sizeBytes >= content.sizeBytes) return grown(content, sizeBytes);
  throw new ImgkitError(
    'INVALID_ARGUMENT',
    `the boot disk can't be smaller (${sizeBytes} bytes) than what it is made of (${content.sizeBytes} bytes)`,
    { hint: 'Leave bootDiskSizeBytes out, or make it larger.' },
  );
}

function freeDisk(context: MemoryContext, id: string): DiskRow {
  const disk = ownRow(context, diskKind(context), id);
  const [user] = usersOf(context, id);
  if (user === undefined) return disk;
  throw new ImgkitError('IN_USE', `disk "${disk.name}" is attached to instance "${user.name}"`, {
    resource: id,
    hint: 'A disk belongs to one instance at a time.',
  });
}

/** Makes a machine and its disks; it isn't on yet. */
export function assemble(
  context: MemoryContext,
  start: Omit<Row, 'status'>,
  request: LaunchRequest,
  plan: PlannedDisks,
  fleet?: string,
): InstanceRow {
  const { cloud } = context;
  const disks: Attachment[] = [plan.boot, ...plan.extra].map((disk, index) => {
    const boot = index === 0;
    if ('disk' in disk) return { disk: disk.disk, boot, deleteWithInstance: false };
    const name = boot ? request.name : `${request.name}-${index}`;
    const made = cloud.disks.add({
      ...start,
      // An instance's disk has a name of its own kind: no disk made by itself can take it.
      id: context.id('disks', `${name}/of/${start.sequence}`),
      name: `${name}/of/${start.sequence}`,
      sequence: cloud.next(),
      idempotencyKey: undefined,
      status: 'READY',
      content: disk.content,
      image: boot ? plan.image : undefined,
    });
    return { disk: made.id, boot, deleteWithInstance: disk.deleteWithInstance };
  });
  const ports = [22, ...(request.ports ?? [])];
  return {
    ...start,
    status: 'PENDING',
    image: plan.image,
    machineType: machineTypeName(request.machineType),
    disks,
    request,
    fleet,
    ports: new Map(ports.map((port) => [port, 20_000 + (cloud.next() % 40_000)])),
    console: '',
    reason: undefined,
    guest: undefined,
    bootId: undefined,
  };
}

function machineTypeName(type: MachineTemplate['machineType']): string {
  if (typeof type === 'string') return type;
  return type === undefined ? 'small' : `${type.cpus}-cpus-${type.memoryBytes}-bytes`;
}

/** Takes a machine apart: it is off, and its disks go as they are told to. */
export function dismantle(context: MemoryContext, row: InstanceRow): void {
  const { cloud } = context;
  pullPlug(row);
  for (const { disk, deleteWithInstance } of row.disks) {
    const found = cloud.disks.get(disk);
    if (deleteWithInstance && found !== undefined) cloud.disks.remove(found);
  }
}

/** The disk a machine boots from. */
export function bootDisk(context: MemoryContext, row: InstanceRow): DiskRow {
  const boot = row.disks.find((disk) => disk.boot);
  const disk = boot && context.cloud.disks.get(boot.disk);
  if (disk === undefined) throw new Error(`instance ${row.name} has lost its boot disk`);
  return disk;
}

/** Switches a machine on. */
export function switchOn(context: MemoryContext, row: InstanceRow, resumed = false): void {
  const disk = bootDisk(context, row);
  row.status = 'RUNNING';
  row.reason = undefined;
  row.console += `${row.name}: ${resumed ? 'resumed' : 'booted'}\n`;
  const factory = context.cloud.guest;
  if (factory === undefined) return;
  const bootId = randomUUID();
  const machine: MemoryMachine = {
    id: row.id,
    name: row.name,
    request: row.request,
    bootId,
    resumed,
    read: () => disk.content.data,
    write: (data) => {
      disk.content = { data, sizeBytes: Math.max(disk.content.sizeBytes, data.length) };
    },
    print: (text) => {
      row.console += text;
    },
    powerOff: () => {
      if (row.bootId !== bootId || row.status !== 'RUNNING') return;
      pullPlug(row);
      row.status = 'STOPPED';
    },
  };
  const boot = async (): Promise<MemoryGuest> => factory(machine);
  row.bootId = bootId;
  row.guest = boot();
  row.guest.catch((error: unknown) => {
    row.console += `${row.name}: ${String(error)}\n`;
    if (row.bootId !== bootId) return;
    row.guest = undefined;
    row.status = 'FAILED';
    row.reason = String(error);
  });
}

/** Switches a machine off: asks the guest, and pulls the plug after `graceMs`. */
export async function switchOff(
  context: MemoryContext,
  row: InstanceRow,
  graceMs: number,
): Promise<void> {
  if (row.status !== 'RUNNING') return;
  row.status = 'STOPPING';
  const guest = await row.guest;
  if (graceMs > 0 && guest?.shutDown !== undefined) {
    const stop = new AbortController();
    const tooLate = context.cloud.clock.sleep(graceMs, stop.signal).catch(() => undefined);
    await Promise.race([guest.shutDown(), tooLate]);
    stop.abort();
  }
  pullPlug(row);
  row.status = 'STOPPED';
}

/** Lets the guest write out what it holds in memory. */
export async function flush(row: InstanceRow): Promise<void> {
  const guest = await row.guest;
  await guest?.flush?.();
}

function pullPlug(row: InstanceRow): void {
  const { guest } = row;
  row.guest = undefined;
  void guest?.then(
    (running) => running.ended?.(),
    () => undefined,
  );
}

/** Removes the machines whose time is over, where the cloud does that. */
export function removeExpired(context: MemoryContext): void {
  const { cloud } = context;
  if (!cloud.traits.instances.selfDestruct) return;
  const expired = cloud.instances.all(
    ({ request: { expiresAt } }) =>
      expiresAt !== undefined && Date.parse(expiresAt) <= cloud.clock.now(),
  );
  for (const row of expired) {
    row.job.stop('its time is over');
    dismantle(context, row);
    cloud.instances.remove(row);
  }
}
