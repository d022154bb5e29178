import type {
  CreateDiskRequest,
  CreateImageRequest,
  CreateMachineImageRequest,
  CreateSnapshotRequest,
  Deprecation,
  Image,
  ImageRef,
  ImageSource,
  ImportImageRequest,
  MachineImage,
  Principal,
  ResourceStatus,
  Snapshot,
} from '@imgkit/core';
import { z } from 'zod';

import type { StoredRecord } from './store/records.ts';

// Documents as the catalog keeps them. A reference to another image of the store is kept by id only:
// what the provider that reads it is called may differ from what the one that wrote it was.

const labels = z.record(z.string(), z.string());

const deprecation = z.object({
  state: z.enum(['ACTIVE', 'DEPRECATED', 'OBSOLETE', 'DELETED']),
  /** `provider` is left out when it is an image of this store. */
  replacement: z.object({ provider: z.string().optional(), id: z.string() }).optional(),
  dates: z
    .object({
      deprecated: z.string().optional(),
      obsolete: z.string().optional(),
      deleted: z.string().optional(),
    })
    .optional(),
});

/** A deprecation as the catalog keeps it. */
export type StoredDeprecation = z.infer<typeof deprecation>;

/** What the catalog keeps of an image. */
export const imageSchema = z.object({
  labels,
  description: z.string().optional(),
  family: z.string().optional(),
  version: z.string().optional(),
  published: z.boolean(),
  publishedAt: z.string().optional(),
  deprecation,
  architecture: z.enum(['x86_64', 'arm64']).optional(),
  origin: z
    .object({ kind: z.enum(['disk', 'snapshot', 'image', 'file', 'instance']), id: z.string() })
    .optional(),
  /** The id of the image whose content it goes back to. */
  parent: z.string().optional(),
  diskSizeBytes: z.number(),
  storedBytes: z.number().optional(),
  /** The digest of its blob, in hexadecimal; none while it is being made. */
  digest: z.string().optional(),
  /** Who may use it beside its own project, in the text form of principals. */
  grants: z.array(z.string()),
  /** While it is being made: the request, from which another process can go on. */
  request: z.custom<CreateImageRequest>().optional(),
  importRequest: z.custom<ImportImageRequest>().optional(),
});

export type ImageDocument = z.infer<typeof imageSchema>;

/** What the catalog keeps of a disk. */
export const diskSchema = z.object({
  labels,
  sizeBytes: z.number(),
  image: z.string().optional(),
  request: z.custom<CreateDiskRequest>().optional(),
});

export type DiskDocument = z.infer<typeof diskSchema>;

/** What the catalog keeps of a snapshot. */
export const snapshotSchema = z.object({
  labels,
  disk: z.string(),
  diskSizeBytes: z.number(),
  image: z.string().optional(),
  digest: z.string().optional(),
  request: z.custom<CreateSnapshotRequest>().optional(),
});

export type SnapshotDocument = z.infer<typeof snapshotSchema>;

/** What the catalog keeps of a machine image. */
export const machineImageSchema = z.object({
  labels,
  description: z.string().optional(),
  instance: z.string(),
  machineType: z.string(),
  disks: z.array(
    z.object({
      boot: z.boolean(),
      sizeBytes: z.number(),
      digest: z.string(),
      image: z.string().optional(),
    }),
  ),
  configuration: z.json(),
  request: z.custom<CreateMachineImageRequest>().optional(),
});

export type MachineImageDocument = z.infer<typeof machineImageSchema>;

/** ISO 8601 of milliseconds since 1970. */
export function instant(milliseconds: number): string {
  return new Date(milliseconds).toISOString();
}

/** Where a record is shown: at a provider of this name, under this id. */
interface Shown {
  readonly provider: string;
  readonly id: string;
  readonly status: Exclude<ResourceStatus, 'DELETING'>;
}

/** An image as the contract has it. */
export function toImage(record: StoredRecord<ImageDocument>, shown: Shown): Image {
  const { doc } = record;
  const { provider, id, status } = shown;
  return {
    ref: { provider, id },
    name: record.name,
    project: record.project,
    family: doc.family,
    version: doc.version,
    published: doc.published,
    publishedAt: doc.publishedAt,
    status,
    deprecation: toDeprecation(doc.deprecation, provider),
    createdAt: instant(record.createdAt),
    diskSizeBytes: doc.diskSizeBytes,
    storedBytes: doc.storedBytes,
    architecture: doc.architecture,
    digest: doc.digest === undefined ? undefined : `sha256:${doc.digest}`,
    labels: doc.labels,
    description: doc.description,
    origin: doc.origin,
  };
}

/** A deprecation as the contract has it. */
export function toDeprecation(stored: StoredDeprecation, provider: string): Deprecation {
  const { state, replacement, dates } = stored;
  return {
    state,
    ...(replacement && {
      replacement: { id: replacement.id, provider: replacement.provider ?? provider },
    }),
    ...(dates && { dates }),
  };
}

/** A deprecation as the catalog keeps it. */
export function fromDeprecation(given: Deprecation, provider: string): StoredDeprecation {
  const { state, replacement, dates } = given;
  return {
    state,
    ...(replacement && { replacement: fromRef(replacement, provider) }),
    ...(dates && { dates: { ...dates } }),
  };
}

function fromRef(ref: ImageRef, provider: string): { provider?: string; id: string } {
  return ref.provider === provider ? { id: ref.id } : { ...ref };
}

/** A snapshot as the contract has it. */
export function toSnapshot(record: StoredRecord<SnapshotDocument>, shown: Shown): Snapshot {
  const { doc } = record;
  return {
    id: shown.id,
    name: record.name,
    status: shown.status,
    disk: doc.disk,
    diskSizeBytes: doc.diskSizeBytes,
    createdAt: instant(record.createdAt),
    labels: doc.labels,
  };
}

/** A machine image as the contract has it. */
export function toMachineImage(
  record: StoredRecord<MachineImageDocument>,
  shown: Shown,
): MachineImage {
  const { doc } = record;
  return {
    id: shown.id,
    name: record.name,
    status: shown.status,
    instance: doc.instance,
    createdAt: instant(record.createdAt),
    labels: doc.labels,
    disks: doc.disks.map(({ boot, sizeBytes }) => ({ boot, sizeBytes })),
    machineType: doc.machineType,
    native: { description: doc.description },
  };
}

/** Who is meant by the text form of a principal that this provider wrote. */
export function toPrincipal(text: string): Principal {
  return text === 'everyone'
    ? { kind: 'everyone' }
    : { kind: 'project', id: text.slice('project:'.length) };
}

/** What an image was made of, for `Image.origin`; ids of our own stay, of a file its name. */
export function toOrigin(source: ImageSource): NonNullable<ImageDocument['origin']> {
  switch (source.kind) {
    case 'disk':
      return { kind: 'disk', id: source.disk };
    case 'snapshot':
      return { kind: 'snapshot', id: source.snapshot };
    case 'image':
      return { kind: 'image', id: source.image.id };
    case 'file':
      return { kind: 'file', id: source.file.slice(source.file.lastIndexOf('/') + 1) };
    case 'instance':
      return { kind: 'instance', id: source.instance };
  }
}
