import type { AttachedDisk, Instance, InstanceStatus } from '@imgkit/core';

import { instant, number, object, objects, text, textMap, type WireObject } from '../api/wire.ts';
import { formatImageId, parseImageId } from '../images/image-id.ts';
import { ownOf } from '../mapping.ts';
import { ownSpelling, type ResourceId } from '../resources/resource-id.ts';
import { fromTags, metadataIn } from '../resources/tags.ts';

const gib = 2 ** 30;

/** Azure's power states. https://learn.microsoft.com/azure/virtual-machines/states-billing */
const statuses: Readonly<Record<string, InstanceStatus>> = {
  starting: 'PENDING',
  running: 'RUNNING',
  stopping: 'STOPPING',
  stopped: 'STOPPED',
  deallocating: 'STOPPING',
  deallocated: 'STOPPED',
};

/** A machine as the contract has it. */
export function toInstance(native: WireObject, provider: string, own: ResourceId): Instance {
  const tags = textMap(native, 'tags');
  const status = toStatus(native);
  const storage = object(native, 'storageProfile');
  const image = imageOf(object(storage, 'imageReference'), own);
  const disks = [object(storage, 'osDisk') ?? {}, ...objects(storage, 'dataDisks')];
  return {
    id: ownSpelling(text(native, 'id') ?? '', own),
    name: text(native, 'name') ?? '',
    status,
    createdAt: instant(native, 'timeCreated') ?? new Date(0).toISOString(),
    labels: fromTags(tags),
    image: image === undefined ? undefined : { provider, id: image },
    machineType: text(object(native, 'hardwareProfile'), 'vmSize') ?? '',
    disks: disks.map((disk, index) => toAttachedDisk(disk, index === 0, own)),
    metadata: metadataIn(tags),
    reason: status === 'RUNNING' ? undefined : reasonOf(native),
    native,
  };
}

/** Whether a machine runs: read with its instance view. */
function toStatus(native: WireObject): InstanceStatus {
  const state = text(native, 'provisioningState');
  if (state === 'Deleting') return 'DELETING';
  const known = statuses[powerOf(native) ?? ''];
  if (state === 'Creating') return 'PENDING';
  if (known !== undefined) return known;
  return state === 'Failed' ? 'FAILED' : 'PENDING';
}

/** Azure's word for whether a machine runs: `running`, `deallocated`. */
export function powerOf(native: WireObject): string | undefined {
  return codesOf(native)
    .find((code) => code.startsWith('PowerState/'))
    ?.slice('PowerState/'.length);
}

/** Whether a machine was generalized, and so never starts again. */
export function isGeneralized(native: WireObject): boolean {
  return codesOf(native).some((code) => code.toLowerCase() === 'osstate/generalized');
}

/** The ports of a machine that were asked for; nothing for machines that imgkit didn't launch. */
export function portsOf(native: WireObject): readonly number[] | undefined {
  return ownOf(native).ports?.split(' ').map(Number);
}

function codesOf(native: WireObject): readonly string[] {
  return objects(object(native, 'instanceView'), 'statuses').map((one) => text(one, 'code') ?? '');
}

function imageOf(reference: WireObject | undefined, own: ResourceId): string | undefined {
  const id =
    text(reference, 'id') ??
    text(reference, 'sharedGalleryImageId') ??
    text(reference, 'communityGalleryImageId');
  if (id !== undefined) {
    const image = parseImageId(id);
    if (image === undefined) return undefined;
    return image.kind === 'version' ? ownSpelling(id, own) : formatImageId(image);
  }
  const names = ['publisher', 'offer', 'sku'].map((key) => text(reference, key));
  const version = text(reference, 'exactVersion') ?? text(reference, 'version');
  const all = [...names, version];
  return all.includes(undefined) ? undefined : all.join(':');
}

function toAttachedDisk(disk: WireObject, boot: boolean, own: ResourceId): AttachedDisk {
  return {
    id: ownSpelling(text(object(disk, 'managedDisk'), 'id') ?? text(disk, 'name') ?? '', own),
    boot,
    sizeBytes: (number(disk, 'diskSizeGB') ?? 0) * gib,
    deleteWithInstance: text(disk, 'deleteOption') === 'Delete',
  };
}

function reasonOf(native: WireObject): string | undefined {
  if (isGeneralized(native)) return 'it was generalized, and never starts again';
  const told = objects(object(native, 'instanceView'), 'statuses').find(
    (one) => text(one, 'level') === 'Error',
  );
  return text(told, 'message') ?? text(told, 'displayStatus');
}
