import type {
  CreateMachineImageRequest,
  MachineImage,
  MachineImages,
  RestoreRequest,
} from '../../spec/capabilities/machine-images.ts';
import type { LaunchRequest } from '../../spec/capabilities/instances.ts';
import { ImgkitError } from '../../spec/errors.ts';
import type { Begun, MemoryContext } from './context.ts';
import { grown } from './content.ts';
import { beginCreation, beginDeletion, ownRow, type Kind } from './creation.ts';
import { beginLaunch, instanceKind } from './instances.ts';
import { flush, planExtra, type PlannedDisks } from './machine.ts';
import type { InstanceRow, MachineImageRow } from './records.ts';
import { checkName, checkSize } from './rules.ts';
import { hasLabels } from './table.ts';

/** The machine images of a memory cloud. */
export function memoryMachineImages(context: MemoryContext): MachineImages {
  const { cloud } = context;
  const kind = machineImageKind(context);
  return {
    traits: cloud.traits.machineImages,
    get: (id, options = {}) =>
      context.call('machineImages.get', id, options, () =>
        showMachineImage(ownRow(context, kind, id)),
      ),
    list: (filter = {}, options = {}) =>
      context.pages(
        'machineImages.list',
        options,
        {
          table: kind.table,
          test: (row) =>
            row.project === context.project &&
            (filter.name === undefined || row.name === filter.name) &&
            (filter.instance === undefined || row.instance === filter.instance) &&
            hasLabels(row.labels, filter.labels),
        },
        showMachineImage,
      ),
    create: (request, options = {}) =>
      context.operation('machineImages.create', request.name, options, (signal) => {
        checkName('machine image', request.name);
        return beginCreation(
          context,
          'machineImages.create',
          kind,
          {
            request,
            prepare: () => readyInstance(context, request),
            make: (start, instance) => machineImageRow(context, start, instance),
            complete: (row) => {
              row.status = 'READY';
            },
          },
          signal,
        );
      }),
    delete: (id, options = {}) =>
      context.operation('machineImages.delete', id, options, () => deleteMachineImage(context, id)),
    restore: (request, options = {}) =>
      context.operation('machineImages.restore', request.name, options, (signal) =>
        beginRestore(context, request, signal),
      ),
  };
}

/** Machine images as a kind of resource. */
function machineImageKind(context: MemoryContext): Kind<MachineImageRow, MachineImage> {
  return { kind: 'machine-image', table: context.cloud.machineImages, show: showMachineImage };
}

/** Begins to delete a machine image. */
export function deleteMachineImage(context: MemoryContext, id: string): Begun<void> {
  return beginDeletion(context, 'machineImages.delete', machineImageKind(context), id);
}

/** Checks that a machine image can be taken now, and lets the guest flush if that is wanted. */
async function readyInstance(
  context: MemoryContext,
  { instance: id, consistency }: CreateMachineImageRequest,
): Promise<InstanceRow> {
  const { cloud } = context;
  const { applicationConsistency, minIntervalMs } = cloud.traits.machineImages;
  const instance = ownRow(context, instanceKind(context), id);
  if (consistency === 'application' && !applicationConsistency) {
    throw new ImgkitError('UNSUPPORTED', 'guests are not asked to flush here', {
      hint: "Stop the machine first, or be content with consistency: 'crash'.",
    });
  }
  const earlier = cloud.machineImages.all((row) => row.instance === id);
  const last = Math.max(...earlier.map((row) => Date.parse(row.createdAt)));
  const retryAfterMs = last + minIntervalMs - cloud.clock.now();
  if (minIntervalMs > 0 && retryAfterMs > 0) {
    throw new ImgkitError(
      'RATE_LIMITED',
      `instance "${instance.name}" had a machine image just now`,
      {
        resource: id,
        retryAfterMs,
        hint: `Wait ${retryAfterMs} ms.`,
      },
    );
  }
  if (consistency === 'application') await flush(instance);
  return instance;
}

function machineImageRow(
  { cloud }: MemoryContext,
  start: Omit<
    MachineImageRow,
    'status' | 'instance' | 'image' | 'machineType' | 'disks' | 'request'
  >,
  instance: InstanceRow,
): MachineImageRow {
  const all = cloud.traits.machineImages.disks === 'all';
  return {
    ...start,
    status: 'PENDING',
    instance: instance.id,
    image: instance.image,
    machineType: instance.machineType,
    request: instance.request,
    disks: instance.disks.flatMap(({ disk, boot, deleteWithInstance }) => {
      const content = cloud.disks.get(disk)?.content;
      if (content === undefined || !(all || boot)) return [];
      return [{ boot, deleteWithInstance, content }];
    }),
  };
}

function showMachineImage(row: MachineImageRow): MachineImage {
  return {
    id: row.id,
    name: row.name,
    status: row.status,
    instance: row.instance,
    createdAt: row.createdAt,
    labels: { ...row.labels },
    disks: row.disks.map(({ boot, content }) => ({ boot, sizeBytes: content.sizeBytes })),
    machineType: row.machineType,
  };
}

function beginRestore(
  context: MemoryContext,
  { machineImage: id, ...overrides }: RestoreRequest,
  signal: AbortSignal,
) {
  const held = ownRow(context, machineImageKind(context), id);
  const [boot, ...extra] = held.disks;
  if (boot === undefined) throw new Error(`machine image ${id} holds no disk`);
  const { bootDiskSizeBytes } = overrides;
  checkSize('the boot disk', bootDiskSizeBytes, boot.content.sizeBytes);
  // Neither the identity nor the end of the machine that was taken are the new one's.
  const { hostKey: _, expiresAt: __, warmStart: ___, idempotencyKey: ____, ...kept } = held.request;
  const request: LaunchRequest = { ...kept, ...overrides };
  const plan = (): PlannedDisks => ({
    boot: { content: grown(boot.content, bootDiskSizeBytes), deleteWithInstance: true },
    image: held.image,
    extra: overrides.disks === undefined ? extra : planExtra(context, request),
  });
  return beginLaunch(context, 'machineImages.restore', request, plan, signal);
}
