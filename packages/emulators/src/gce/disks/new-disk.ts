import { isJsonArray, type Json, type JsonObject } from '../../control-plane/json.ts';
import type { Call } from '../call.ts';
import { invalid, resourceNotReady } from '../errors.ts';
import type { HardwareDiskSource } from '../../hardware/hardware.ts';
import { useImage } from '../image-use.ts';
import { selfLink } from '../links.ts';
import { regionOf, type Location } from '../locations.ts';
import type { Warning } from '../operations.ts';
import { reserve } from '../quotas.ts';
import { diskType, snapshotType } from '../resources.ts';
import { putLabels } from '../services/labels.ts';
import { newResource, type Stored } from '../state.ts';
import { checkLabels, checkName } from '../values.ts';
import { diskTypeRules, largestDiskGb, type DiskTypeRule } from './disk-types.ts';

/** What a new disk shall be. */
export interface DiskWishes {
  /** Where in the request the wishes stand, for refusals: `resource`. */
  readonly field: string;
  readonly name: string | undefined;
  readonly location: Location;
  readonly sourceImage?: string | undefined;
  readonly sourceSnapshot?: string | undefined;
  /** A disk that a machine image has saved. */
  readonly saved?: SavedDisk | undefined;
  readonly sizeGb?: string | undefined;
  readonly type?: string | undefined;
  readonly labels?: Readonly<Record<string, string>> | undefined;
  /** Fields that are kept as they are: description, guestOsFeatures, licenses. */
  readonly more?: JsonObject | undefined;
}

/** A disk as a snapshot or a machine image keeps it. */
export interface SavedDisk {
  readonly link: string;
  readonly sizeGb: number;
  /** What a disk made of it takes over: licenses, guestOsFeatures, architecture. */
  readonly fields: JsonObject;
}

/** A disk that nothing speaks against, and that isn't there yet. */
export interface PlannedDisk {
  readonly record: Stored;
  readonly warnings: readonly Warning[];
  readonly source: HardwareDiskSource;
  readonly sizeGb: number;
  readonly rule: DiskTypeRule;
}

interface Origin {
  readonly sizeGb: number | undefined;
  readonly source: HardwareDiskSource;
  readonly fields: JsonObject;
  readonly warnings: readonly Warning[];
  readonly what: string;
}

/** Checks everything about a new disk, and changes nothing. */
export function planDisk(call: Call, wishes: DiskWishes): PlannedDisk {
  const { field, location } = wishes;
  const name = checkName(`${field}.name`, wishes.name);
  const labels = wishes.labels ?? {};
  checkLabels(`${field}.labels`, labels);
  const rule = typeRule(call, wishes);
  const origin = originOf(call, wishes);
  const sizeGb = sizeOf(wishes, origin, rule);

  const record = newResource(call.world, diskType, call.project, location, name);
  const typeLink = `projects/${call.project.id}/${location}/diskTypes/${rule.name}`;
  Object.assign(record.resource, {
    ...wishes.more,
    ...mergedFeatures(origin.fields, wishes.more),
    sizeGb: String(sizeGb),
    status: 'CREATING',
    type: selfLink(typeLink),
    physicalBlockSizeBytes: '4096',
  });
  putLabels(record.resource, labels);
  return { record, sizeGb, rule, source: origin.source, warnings: origin.warnings };
}

/** Refuses disks that would exceed a quota. */
export function reserveDisks(call: Call, disks: readonly PlannedDisk[]): void {
  for (const rule of new Set(disks.map((disk) => disk.rule))) {
    const asked = disks.filter((disk) => disk.rule === rule);
    const amount = asked.reduce((sum, { sizeGb }) => sum + sizeGb, 0);
    reserve(rule.quota, call.project, amount, regionOf(asked[0]?.record.location ?? ''));
  }
}

function typeRule(call: Call, { field, type, location }: DiskWishes): DiskTypeRule {
  const fallback = diskTypeRules[0];
  if (type === undefined && fallback) return fallback;
  const { name } = call.refer(`${field}.type`, type ?? '', 'diskTypes', location);
  const rule = diskTypeRules.find((each) => each.name === name);
  if (rule) return rule;
  throw invalid(`${field}.type`, type ?? '', 'The referenced diskType resource cannot be found.');
}

function originOf(call: Call, wishes: DiskWishes): Origin {
  const { field, sourceImage, sourceSnapshot, saved } = wishes;
  if (sourceImage !== undefined && sourceSnapshot !== undefined) {
    const why = 'Only one of sourceImage and sourceSnapshot can be given.';
    throw invalid(`${field}.sourceSnapshot`, sourceSnapshot, why);
  }
  if (saved) {
    const source = { kind: 'snapshot', link: saved.link } as const;
    return { ...saved, source, warnings: [], what: 'saved disk' };
  }
  if (sourceImage !== undefined) return fromImage(call, `${field}.sourceImage`, sourceImage);
  if (sourceSnapshot !== undefined) {
    return fromSnapshot(call, `${field}.sourceSnapshot`, sourceSnapshot);
  }
  return { sizeGb: undefined, source: { kind: 'empty' }, fields: {}, warnings: [], what: '' };
}

function fromImage(call: Call, field: string, text: string): Origin {
  const { image, warnings } = useImage(call, field, text);
  return {
    sizeGb: Number(image.resource['diskSizeGb']),
    source: { kind: 'image', link: image.link },
    fields: {
      sourceImage: selfLink(image.link),
      sourceImageId: image.resource['id'],
      ...inheritedFields(image.resource),
    },
    warnings,
    what: 'image',
  };
}

function fromSnapshot(call: Call, field: string, text: string): Origin {
  const permission = 'compute.snapshots.useReadOnly';
  const snapshot = call.referred(field, text, snapshotType, permission, 'global');
  if (snapshot.resource['status'] !== 'READY') throw resourceNotReady(snapshot.link);
  return {
    sizeGb: Number(snapshot.resource['diskSizeGb']),
    source: { kind: 'snapshot', link: snapshot.link },
    fields: {
      sourceSnapshot: selfLink(snapshot.link),
      sourceSnapshotId: snapshot.resource['id'],
      ...inheritedFields(snapshot.resource),
    },
    warnings: [],
    what: 'snapshot',
  };
}

/** What goes from an image to a disk, and from a disk to its snapshots. */
export function inheritedFields(resource: JsonObject): JsonObject {
  const { architecture, licenses, licenseCodes, guestOsFeatures } = resource;
  return { architecture, licenses, licenseCodes, guestOsFeatures };
}

function mergedFeatures(origin: JsonObject, more: JsonObject = {}): JsonObject {
  const merged: Record<string, Json | undefined> = { ...origin };
  for (const key of ['licenses', 'licenseCodes', 'guestOsFeatures']) {
    const both = [origin[key], more[key]].flatMap((list) => (isJsonArray(list) ? list : []));
    const distinct = new Map(both.map((item) => [JSON.stringify(item), item]));
    merged[key] = distinct.size > 0 ? [...distinct.values()] : undefined;
  }
  return { ...merged, architecture: more['architecture'] ?? origin['architecture'] };
}

function sizeOf({ field, sizeGb }: DiskWishes, origin: Origin, rule: DiskTypeRule): number {
  const least = origin.sizeGb ?? 1;
  const size = sizeGb === undefined ? (origin.sizeGb ?? rule.defaultSizeGb) : Number(sizeGb);
  if (size < least && origin.sizeGb !== undefined) {
    const why = `Requested disk size cannot be smaller than the ${origin.what} size (${least} GB)`;
    throw invalid(`${field}.sizeGb`, String(size), why);
  }
  if (size >= least && size <= largestDiskGb) return size;
  throw invalid(
    `${field}.sizeGb`,
    String(size),
    `Must be greater than or equal to 1 and less than or equal to ${largestDiskGb}.`,
  );
}
