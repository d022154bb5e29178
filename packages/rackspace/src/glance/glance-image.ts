import { z } from 'zod';

/** An image as Glance gives it. Its custom properties stand beside the standard ones. */
export const glanceImage = z.looseObject({
  id: z.string(),
  name: z.string().nullish(),
  status: z.string(),
  visibility: z.string().optional(),
  owner: z.string().nullish(),
  size: z.number().nullish(),
  virtual_size: z.number().nullish(),
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

/** An image as Glance gives it: see {@link isGlanceImage}. */
export type GlanceImage = z.infer<typeof glanceImage>;

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
