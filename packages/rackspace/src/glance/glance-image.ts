import { z } from 'zod';

/** An image as Glance gives it. Its custom properties stand beside the standard members. */
export interface GlanceImage {
  readonly id: string;
  readonly name?: string | null | undefined;
  /** `queued`, `saving`, `active`, `deactivated` and so on. */
  readonly status: string;
  /** `private`, `shared`, `community` or `public`. */
  readonly visibility?: string | undefined;
  /** The id of the project that it belongs to. */
  readonly owner?: string | null | undefined;
  /** The bytes that are stored. */
  readonly size?: number | null | undefined;
  /** The bytes of the disk, where the cloud found them out. */
  readonly virtual_size?: number | null | undefined;
  /** The least size of a server's disk, in GiB. */
  /** In MiB. */
  readonly min_ram?: number | null | undefined;
  readonly min_disk?: number | null | undefined;
  readonly disk_format?: string | null | undefined;
  readonly container_format?: string | null | undefined;
  /** The MD5 of the bytes, in hexadecimal. */
  readonly checksum?: string | null | undefined;
  readonly os_hash_algo?: string | null | undefined;
  readonly os_hash_value?: string | null | undefined;
  readonly os_hidden?: boolean | null | undefined;
  readonly protected?: boolean | null | undefined;
  readonly tags?: readonly string[] | null | undefined;
  readonly created_at: string;
  readonly updated_at?: string | null | undefined;
  readonly [property: string]: unknown;
}

/** What an answer must have to be an image. */
export const glanceImage: z.ZodType<GlanceImage> = z.looseObject({
  id: z.string(),
  name: z.string().nullish(),
  status: z.string(),
  visibility: z.string().optional(),
  owner: z.string().nullish(),
  size: z.number().nullish(),
  virtual_size: z.number().nullish(),
  min_ram: z.number().nullish(),
  min_disk: z.number().nullish(),
  disk_format: z.string().nullish(),
  container_format: z.string().nullish(),
  checksum: z.string().nullish(),
  os_hash_algo: z.string().nullish(),
  os_hash_value: z.string().nullish(),
  os_hidden: z.boolean().nullish(),
  protected: z.boolean().nullish(),
  tags: z.array(z.string()).nullish(),
  created_at: z.string(),
  updated_at: z.string().nullish(),
});

/**
 * Tells whether `image.native` is what Glance gave.
 *
 * @example
 * ```ts
 * import type { Image } from '@imgkit/core';
 * import { isGlanceImage } from '@imgkit/rackspace';
 *
 * const format = ({ native }: Image) => (isGlanceImage(native) ? native.disk_format : undefined);
 * ```
 */
export function isGlanceImage(native: unknown): native is GlanceImage {
  return glanceImage.safeParse(native).success;
}

/** A page of a listing. */
export const glancePage = z.object({ images: z.array(glanceImage), next: z.string().optional() });

/** Somebody an image is shared with. */
export const glanceMember = z.object({ member_id: z.string(), status: z.string() });

export type GlanceMember = z.infer<typeof glanceMember>;

/** The custom property of an image, or a standard one that is a text. */
export function propertyOf(image: GlanceImage, name: string): string | undefined {
  const value: unknown = image[name];
  return typeof value === 'string' ? value : undefined;
}
