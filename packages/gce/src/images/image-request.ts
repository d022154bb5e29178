import {
  deprecationStates,
  ImgkitError,
  type CreateImageRequest,
  type Deprecation,
} from '@imgkit/core';
import * as z from 'zod';

import type { WireObject, WireRequest } from '../api/wire.ts';
import { creationLabels } from '../resources/creation.ts';
import { familyLabel, pendingLabel, toGceLabels, versionLabel } from '../resources/labels.ts';
import { checkName } from '../resources/names.ts';
import {
  encryptionKey,
  encryptionOptions,
  type GceEncryptionOptions,
} from '../resources/provider-options.ts';
import { urlOf } from '../resources/resource-id.ts';

/** What only Google knows of a new image: its `providerOptions`. */
export interface GceImageOptions extends GceEncryptionOptions {
  /** Where the data is kept: one region or multi-region, such as `us` or `europe-west1`. Near the source by default. */
  readonly storageLocations?: readonly string[] | undefined;
  /** What the guest can do, such as `UEFI_COMPATIBLE` or `GVNIC`; the source's are kept. */
  readonly guestOsFeatures?: readonly string[] | undefined;
  /** Licences, as URLs or `projects/P/global/licenses/L`. */
  readonly licenses?: readonly string[] | undefined;
  /** Takes a disk that a running machine uses, as it is at that moment. */
  readonly forceCreate?: boolean | undefined;
}

/** The schema of {@link GceImageOptions}. */
export const imageOptions = z.strictObject({
  storageLocations: z
    .array(z.string().regex(/^[a-z]+(?:-[a-z]+\d+)?$/))
    .length(1)
    .readonly()
    .optional(),
  ...encryptionOptions,
  guestOsFeatures: z
    .array(z.string().regex(/^[A-Z][A-Z0-9_]+$/))
    .readonly()
    .optional(),
  licenses: z
    .array(z.string().regex(/(?:^|\/)projects\/[^/]+\/global\/licenses\/[^/]+$/))
    .readonly()
    .optional(),
  forceCreate: z.boolean().optional(),
});

/** https://cloud.google.com/compute/docs/reference/rest/v1/images */
const longestDescription = 2048;
const instant = /^\d{4}-\d\d-\d\dT\d\d:\d\d(?::\d\d(?:\.\d+)?)?(?:Z|[+-]\d\d:\d\d)$/;

type ImageRequest = Omit<CreateImageRequest, 'source'>;

/** Whether something is left to do when the image is READY: deprecating it, or publishing it. */
function isUnfinished({ family, staged, deprecation }: ImageRequest): boolean {
  return (
    (family !== undefined && staged !== true) ||
    (deprecation !== undefined &&
      (deprecation.state !== 'ACTIVE' || deprecation.dates !== undefined))
  );
}

/**
 * The body of a new image, but for its source. It has no family yet: with one it would be the head at once.
 *
 * @throws ImgkitError with `INVALID_ARGUMENT` for what Google would not take.
 */
export function imageBody(request: ImageRequest, options: GceImageOptions): WireObject {
  const { name, family, version, description, architecture, deprecation, idempotencyKey } = request;
  checkName('image', name);
  if (family !== undefined) checkName('family', family);
  checkDescription(description);
  if (deprecation !== undefined) checkDeprecation(deprecation);
  const { storageLocations, guestOsFeatures, licenses } = options;
  return {
    name,
    description,
    labels: toGceLabels(request.labels, {
      ...creationLabels(idempotencyKey),
      [familyLabel]: family,
      [versionLabel]: version,
      [pendingLabel]: isUnfinished(request) ? 'yes' : undefined,
    }),
    architecture: architecture === undefined ? undefined : architecture.toUpperCase(),
    storageLocations,
    guestOsFeatures: guestOsFeatures?.map((type) => ({ type })),
    licenses: licenses?.map(licenseUrl),
    imageEncryptionKey: encryptionKey(options),
  };
}

/** @throws ImgkitError with `INVALID_ARGUMENT` if a description is too long. */
export function checkDescription(description: string | undefined): void {
  if ((description ?? '').length > longestDescription)
    throw invalid('the description is too long', `Google takes ${longestDescription} characters.`);
}

/** @throws ImgkitError with `INVALID_ARGUMENT` for a state or a date that isn't one. */
export function checkDeprecation({ state, dates = {} }: Deprecation): void {
  if (!deprecationStates.includes(state))
    throw invalid(
      `"${state}" isn't a state of images`,
      `Use one of ${deprecationStates.join(', ')}.`,
    );
  for (const [what, date] of Object.entries(dates))
    if (typeof date === 'string' && (!instant.test(date) || Number.isNaN(Date.parse(date))))
      throw invalid(
        `"${date}" isn't an instant for ${what}`,
        'Write it as ISO 8601, with the time zone: 2026-11-21T09:00:00Z.',
      );
}

/**
 * The whole block of a deprecation, which Google puts in place of the one before; an empty one for none.
 *
 * @throws ImgkitError with `INVALID_ARGUMENT` for a replacement of another provider, which Google can't name.
 */
export function deprecationBlock(provider: string, given: Deprecation): WireRequest {
  const { state, replacement, dates = {} } = given;
  if (replacement !== undefined && replacement.provider !== provider)
    throw invalid(
      `an image of provider "${replacement.provider}" can't replace one of "${provider}"`,
      'Google keeps the address of another image of its own there.',
    );
  const { deprecated, obsolete, deleted } = dates;
  const plain = [replacement, deprecated, obsolete, deleted].every((value) => value === undefined);
  // An empty one takes the whole block away: other tools take an image with any block for a deprecated one.
  if (state === 'ACTIVE' && plain) return {};
  return {
    state,
    replacement: replacement === undefined ? undefined : urlOf(replacement.id),
    deprecated,
    obsolete,
    deleted,
  };
}

function licenseUrl(license: string): string {
  return license.startsWith('http') ? license : `https://www.googleapis.com/compute/v1/${license}`;
}

function invalid(message: string, hint: string): ImgkitError {
  return new ImgkitError('INVALID_ARGUMENT', message, { hint });
}
