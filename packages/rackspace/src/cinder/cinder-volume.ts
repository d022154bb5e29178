import { z } from 'zod';

const metadata = z.record(z.string(), z.string()).optional();

/** What an answer must have to be a volume. */
export const cinderVolume = z.looseObject({
  id: z.string(),
  name: z.string().nullish(),
  /** `creating`, `available`, `in-use` and so on. */
  status: z.string(),
  /** In GiB. */
  size: z.number(),
  /** Without a time zone; it is UTC. */
  created_at: z.string(),
  metadata,
  volume_type: z.string().nullish(),
  snapshot_id: z.string().nullish(),
  bootable: z.string().optional(),
  attachments: z.array(z.looseObject({ server_id: z.string(), device: z.string().nullish() })),
  /** What the image was like that it was made of. */
  volume_image_metadata: z.record(z.string(), z.string()).optional(),
});

/** A volume as Cinder gives it. */
export type CinderVolume = z.infer<typeof cinderVolume>;

/** What an answer must have to be a snapshot. */
export const cinderSnapshot = z.looseObject({
  id: z.string(),
  name: z.string().nullish(),
  status: z.string(),
  volume_id: z.string(),
  /** The size of the volume, in GiB. */
  size: z.number(),
  /** Without a time zone; it is UTC. */
  created_at: z.string(),
  metadata,
});

/** A snapshot as Cinder gives it. */
export type CinderSnapshot = z.infer<typeof cinderSnapshot>;

const links = z.array(z.object({ rel: z.string() })).optional();

/** A page of volumes. */
export const volumePage = z.object({ volumes: z.array(cinderVolume), volumes_links: links });

/** A page of snapshots. */
export const snapshotPage = z.object({
  snapshots: z.array(cinderSnapshot),
  snapshots_links: links,
});

/** A new volume. */
export interface NewVolume {
  readonly name: string;
  /** In GiB. */
  readonly size: number;
  readonly imageRef?: string | undefined;
  readonly snapshot_id?: string | undefined;
  /** The volume that it is a copy of. */
  readonly source_volid?: string | undefined;
  readonly metadata: Readonly<Record<string, string>>;
  readonly volume_type?: string | undefined;
  readonly availability_zone?: string | undefined;
}

/** An image that is to be made of a volume. */
export interface VolumeImage {
  readonly name: string;
  /** As Glance is to have it: `raw`, `qcow2`. */
  readonly diskFormat: string;
}

/** A new snapshot. */
export interface NewSnapshot {
  readonly name: string;
  readonly volume_id: string;
  readonly metadata: Readonly<Record<string, string>>;
}
