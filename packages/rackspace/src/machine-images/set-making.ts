import { ImgkitError, type CallOptions, type OperationControl } from '@imgkit/core';

import type { CinderSnapshot } from '../cinder/cinder-volume.ts';
import { isRefusal } from '../errors.ts';
import { propertyOf, type GlanceImage } from '../glance/glance-image.ts';
import { isOurs, labelProperty, properties, toLabels } from '../mapping.ts';
import { awaitCapture } from '../resources/capture.ts';
import type { CloudContext } from '../resources/context.ts';
import { changeImage, type Properties } from '../resources/image-access.ts';
import { isMakerAlive } from '../resources/image-maker.ts';
import { awaitStored, removeStored } from '../volumes/volume-access.ts';
import { snapshotKind, toStatus } from '../volumes/volume-kind.ts';
import { toVolumeMetadata } from '../volumes/volume-metadata.ts';
import {
  configurationProperties,
  describeServer,
  type HeldDisk,
  type MachineConfiguration,
} from './configuration.ts';
import { instanceOf } from './origin.ts';
import { findRecord, knownRecord } from './record.ts';
import { claimRecord, type SetRequest } from './set-claim.ts';
import { partsOf, removeSet } from './set-removal.ts';
import { letGo } from './stillness.ts';

const token = (id: string): string => `machineImages.create ${id}`;

/** Makes a machine image, once for a key: what a killed process has left is made whole. */
export async function makeSet(
  context: CloudContext,
  request: SetRequest,
  control: OperationControl,
): Promise<GlanceImage> {
  const { id, isNew } = await context.locks.alone(`machine image ${request.name}`, () =>
    claimRecord(context, request, control.signal),
  );
  control.accepted(token(id));
  return completeSet(context, id, { isNew, wanted: wantedOf(request) }, control);
}

/** Makes a machine image whole whose record stands, or waits for the process that does. */
export async function completeSet(
  context: CloudContext,
  id: string,
  { isNew, wanted = {} }: { readonly isNew: boolean; readonly wanted?: Properties | undefined },
  control: OperationControl,
): Promise<GlanceImage> {
  const record = isNew
    ? await knownRecord(context, id, control)
    : await leftRecord(context, id, control);
  if (!propertyOf(record, properties.unfinished)) return record;
  const key = propertyOf(record, properties.key) ?? '';
  const instance = instanceOf(record);
  try {
    return await complete(context, record, instance, wanted, control);
  } catch (error) {
    await undo(context, id, error);
    throw error;
  } finally {
    await letGo(context, instance, key);
  }
}

async function complete(
  context: CloudContext,
  record: GlanceImage,
  instance: string,
  wanted: Properties,
  { signal, progress }: OperationControl,
): Promise<GlanceImage> {
  const { id } = record;
  const options = { signal };
  const { configuration } = await describeServer(context, instance, options);
  const isCapture = configuration.disks[0]?.volume === undefined;
  progress('the cloud takes the disks');
  const disks = await snapshotDisks(context, record, configuration.disks, options);
  if (isCapture) await awaitCapture(context, id, instance, signal);
  else if (record.status === 'queued') await context.glance.upload(id, nothing, options);
  // Not before: whoever changes a record while the cloud makes it undoes what the cloud writes there.
  return finish(context, id, { ...configuration, disks }, wanted, options);
}

/** Takes the snapshots that aren't there yet, all at once. */
async function snapshotDisks(
  context: CloudContext,
  record: GlanceImage,
  disks: readonly HeldDisk[],
  options: CallOptions,
): Promise<HeldDisk[]> {
  if (disks.every(({ volume }) => volume === undefined)) return [...disks];
  const taken = await partsOf(context, record.id, options);
  return Promise.all(
    disks.map(async (disk, index) => {
      const { volume } = disk;
      if (volume === undefined) return disk;
      const part =
        taken.find((one) => one.volume_id === volume && toStatus(one.status) !== 'FAILED') ??
        (await takePart(context, record, { volume, index }, options));
      await awaitStored(context, snapshotKind, part.id, options);
      return { ...disk, snapshot: await onlyPart(context, record.id, part, options) };
    }),
  );
}

/** Of two snapshots of one volume, by two processes that take over the same record, the older one stays. */
async function onlyPart(
  context: CloudContext,
  id: string,
  part: CinderSnapshot,
  options: CallOptions,
): Promise<string> {
  const parts = await partsOf(context, id, options);
  const [first = part] = parts
    .filter((one) => one.volume_id === part.volume_id && toStatus(one.status) !== 'FAILED')
    .toSorted((a, b) => a.created_at.localeCompare(b.created_at) || a.id.localeCompare(b.id));
  if (first.id === part.id) return part.id;
  await removeStored(context, snapshotKind, part.id, options);
  await awaitStored(context, snapshotKind, first.id, options);
  return first.id;
}

async function takePart(
  context: CloudContext,
  record: GlanceImage,
  { volume, index }: { readonly volume: string; readonly index: number },
  options: CallOptions,
): Promise<CinderSnapshot> {
  const metadata = toVolumeMetadata({ labels: toLabels(record), machineImage: record.id });
  const name = `${(record.name ?? record.id).slice(0, 240)} ${index}`;
  try {
    return await context.cinder.createSnapshot({ name, volume_id: volume, metadata }, options);
  } catch (error) {
    // The answer was lost, or the call.
    if (isRefusal(error)) throw error;
    const parts = await partsOf(context, record.id).catch(() => []);
    const made = parts.find((one) => one.volume_id === volume);
    if (made === undefined) throw error;
    return made;
  }
}

/** The last step: from here on it is READY, and has nothing that it inherited. */
async function finish(
  context: CloudContext,
  id: string,
  configuration: MachineConfiguration,
  wanted: Properties,
  options: CallOptions,
): Promise<GlanceImage> {
  return changeImage(
    context,
    id,
    (image) => ({
      ...voided(image),
      ...wanted,
      ...configurationProperties(image, configuration),
      ...bootable(configuration),
      [properties.unfinished]: undefined,
      [properties.maker]: undefined,
    }),
    options,
  );
}

/** What is asked for, and may not have fitted into the first call. */
function wantedOf({ description, labels = {} }: SetRequest): Properties {
  const entries = Object.entries(labels).map(
    ([key, value]) => [labelProperty(key), value] as const,
  );
  return {
    ...Object.fromEntries(entries),
    ...(description && { [properties.description]: description }),
  };
}

/** So that the cloud's own tools, too, can launch a server of it that boots from a volume. */
function bootable({ disks }: MachineConfiguration): Properties {
  if (disks[0]?.volume === undefined) return {};
  const mapping = disks.map(({ boot, snapshot, deleteWithInstance }) => ({
    source_type: 'snapshot',
    destination_type: 'volume',
    snapshot_id: snapshot,
    boot_index: boot ? 0 : null,
    delete_on_termination: deleteWithInstance,
  }));
  return { bdm_v2: 'True', block_device_mapping: JSON.stringify(mapping) };
}

/** What a record would have inherited of ours was made empty when it was begun: it goes. */
function voided(image: GlanceImage): Properties {
  const empty = Object.keys(image).filter(
    (name) => image[name] === '' && (isOurs(name) || name === properties.description),
  );
  return Object.fromEntries(empty.map((name) => [name, undefined]));
}

/** Waits for the process that makes a machine image; what that one has left is to be made whole. */
async function leftRecord(
  context: CloudContext,
  id: string,
  control: OperationControl,
): Promise<GlanceImage> {
  let seen = '';
  let since = context.clock.now();
  return context
    .poll(async () => {
      const record = await knownRecord(context, id, control);
      if (!propertyOf(record, properties.unfinished)) return record;
      const look = `${record.status} ${record.updated_at}`;
      if (look !== seen) [seen, since] = [look, context.clock.now()];
      const isAlive = isMakerAlive(record);
      const isLeft =
        isAlive === false || (isAlive === undefined && context.clock.now() - since > silenceMs);
      return isLeft ? record : undefined;
    }, control.signal)
    .catch((error: unknown) => {
      throw control.signal.aborted ? pending(id, error) : error;
    });
}

/** After how long without a change nobody makes it any more, if its maker can't be seen from here. */
const silenceMs = 120_000;

async function undo(context: CloudContext, id: string, reason: unknown): Promise<void> {
  try {
    const record = await findRecord(context, id);
    if (record !== undefined) await removeSet(context, record);
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    throw new ImgkitError('CLEANUP_FAILED', `machine image "${id}" could not be deleted: ${why}`, {
      resource: id,
      leftovers: [{ provider: context.provider, kind: 'machine-image', id, reason: why }],
      hint: 'Delete it by hand: machineImages.delete(id).',
      cause: reason,
    });
  }
}

function pending(id: string, cause: unknown): ImgkitError {
  return new ImgkitError('PENDING', `machine image "${id}" is being made by another call`, {
    resource: id,
    token: token(id),
    hint: 'Go on waiting for it with provider.resume(token).',
    cause,
  });
}

/** The data of a record that is the image of no disk. */
const nothing = { sizeBytes: 0, isRepeatable: true, async *open() {} };
