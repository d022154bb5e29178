import type { CreateImageRequest } from '@imgkit/core';
import { z } from 'zod';

import { diskFormats } from './disk-format.ts';
import { invalid } from './rules.ts';

const schema = z.strictObject({
  diskFormat: z.enum(diskFormats).optional(),
  stores: z.array(z.string().min(1)).min(1).optional(),
  staged: z.boolean().optional(),
});

/** The `providerOptions` of a new image: what of a request only this cloud knows. */
export interface RackspaceImageOptions {
  /**
   * The format of a disk file that is fetched from an address, where it can't be found out from here; and the one in
   * which Cinder writes the image of a disk or a snapshot, `raw` by default.
   */
  readonly diskFormat?: 'raw' | 'qcow2' | 'vhd' | 'vmdk' | undefined;
  /** The stores of Glance that shall have the data: it goes to the first, and the cloud copies it to the others. */
  readonly stores?: readonly string[] | undefined;
  /**
   * Whether an upload is staged first, and then imported by the cloud (`glance-direct`), which may check and
   * convert it. What was converted can't be compared with what was sent.
   */
  readonly staged?: boolean | undefined;
}

/** @throws {@link ImgkitError} with `INVALID_ARGUMENT` for options it doesn't know or can't take. */
export function checkImageOptions(
  given: CreateImageRequest['providerOptions'],
): RackspaceImageOptions {
  const checked = schema.safeParse(given ?? {});
  if (checked.success) return checked.data;
  const [issue] = checked.error.issues;
  throw invalid(
    `providerOptions can't be taken: ${issue?.path.join('.') ?? ''} ${issue?.message ?? ''}`,
    `Give ${Object.keys(schema.shape).join(', ')} only.`,
  );
}
