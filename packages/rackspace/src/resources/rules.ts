import {
  deprecationStates,
  ImgkitError,
  type CreateImageRequest,
  type Deprecation,
  type Labels,
  type NameRule,
} from '@imgkit/core';

/** What images and servers may be called: Glance and Nova take any text of 255 characters. */
export const resourceName: NameRule = {
  pattern: /^[^\s\p{Cc}](?:[^\p{Cc}]{0,253}[^\s\p{Cc}])?$/u,
  description: '1 to 255 characters, none of them a control character, with no space at either end',
};

/** What volumes and snapshots may be called. Cinder takes anything, also what looks like a path. */
export const volumeName: NameRule = {
  pattern: /^[\p{L}\p{N}](?:[^\p{Cc}/\\]{0,253}[^\s\p{Cc}/\\])?$/u,
  description: '1 to 255 characters, the first a letter or digit, without slashes',
};

/** What families may be called. */
export const familyName: NameRule = {
  pattern: /^[A-Za-z0-9](?:[-_.A-Za-z0-9]{0,126}[A-Za-z0-9])?$/,
  description:
    '1 to 128 letters, digits, hyphens, underscores and dots, beginning and ending with a letter or digit',
};

/** Glance allows 128 properties by default; some are left to others. */
export const maxLabels = 64;
const maxText = 255;
const maxDescription = 2048;
const labelKey = /^[a-zA-Z0-9][-_.a-zA-Z0-9]{0,99}$/;

/** @throws {@link ImgkitError} with `INVALID_ARGUMENT` if a name breaks the rule. */
export function checkName(kind: string, name: string, rule = resourceName): void {
  if (typeof name === 'string' && rule.pattern.test(name)) return;
  throw invalid(`"${name}" can't be the name of a ${kind}`, `Use ${rule.description}.`);
}

/** @throws {@link ImgkitError} with `INVALID_ARGUMENT` if there are too many labels, or one can't be kept. */
export function checkLabels(labels: Readonly<Record<string, string | null>> = {}): void {
  const entries = Object.entries(labels);
  if (entries.length > maxLabels)
    throw invalid(`${entries.length} labels are too many`, `Use at most ${maxLabels}.`);
  for (const [key, value] of entries) {
    if (!labelKey.test(key))
      throw invalid(
        `"${key}" can't be the key of a label`,
        'Use 1 to 100 letters, digits, hyphens, underscores and dots, beginning with a letter or digit.',
      );
    if (value !== null) checkText(`label "${key}"`, value, 0, maxText);
  }
}

/** Whether `labels` has all of `wanted`, with exactly these values. */
export function hasLabels(labels: Labels, wanted: Labels = {}): boolean {
  return Object.entries(wanted).every(([key, value]) => labels[key] === value);
}

/** @throws {@link ImgkitError} with `INVALID_ARGUMENT` if a description or a version can't be kept. */
export function checkTexts(texts: {
  readonly description?: string | undefined;
  readonly version?: string | undefined;
}): void {
  const { description, version } = texts;
  if (description !== undefined) checkText('the description', description, 0, maxDescription);
  if (version !== undefined) checkText('the version', version, 1, 128);
}

function checkText(what: string, value: unknown, least: number, most: number): void {
  if (typeof value === 'string' && value.length >= least && value.length <= most) return;
  throw invalid(`${what} can't be ${JSON.stringify(value)}`, `Use ${least} to ${most} characters.`);
}

/** Checks what a request for an image says beside its source. */
export function checkImageRequest(request: Omit<CreateImageRequest, 'source'>): void {
  checkName('image', request.name);
  if (request.family !== undefined) checkName('family', request.family, familyName);
  checkTexts(request);
  checkLabels(request.labels);
  if (request.deprecation !== undefined) checkDeprecation(request.deprecation);
}

/** Checks a deprecation. */
export function checkDeprecation({ state, dates }: Deprecation): void {
  if (!deprecationStates.includes(state))
    throw invalid(
      `"${state}" isn't a state of images`,
      `Use one of ${deprecationStates.join(', ')}.`,
    );
  for (const key of ['deprecated', 'obsolete', 'deleted'] as const) checkInstant(key, dates?.[key]);
}

const instant = /^\d{4}-\d\d-\d\dT\d\d:\d\d(?::\d\d(?:\.\d+)?)?(?:Z|[+-]\d\d:\d\d)$/;

/** @throws {@link ImgkitError} with `INVALID_ARGUMENT` if a date isn't an ISO 8601 instant. */
export function checkInstant(what: string, date: string | undefined): void {
  if (date === undefined || (instant.test(date) && !Number.isNaN(Date.parse(date)))) return;
  throw invalid(
    `"${date}" isn't an instant for ${what}`,
    'Write it as ISO 8601, with the time zone: 2026-11-21T09:00:00Z.',
  );
}

/** An error that says what to write instead. */
export function invalid(message: string, hint: string): ImgkitError {
  return new ImgkitError('INVALID_ARGUMENT', message, { hint });
}
