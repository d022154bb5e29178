import { ImgkitError, type Labels, type NameRule } from '@imgkit/core';

/** What every resource, project and family may be called. */
export const resourceName: NameRule = {
  pattern: /^[a-z](?:[-a-z0-9]{0,61}[a-z0-9])?$/,
  description:
    '1 to 63 lower-case letters, digits and hyphens, of which the first is a letter and the last is no hyphen',
};

/** How many labels a resource may have. */
export const maxLabels = 64;
/** How long a description may be, in characters. */
const maxDescription = 2048;
const maxVersion = 128;

const labelKey = /^[a-z][-_a-z0-9]{0,62}$/;
const labelValue = /^[-_.a-zA-Z0-9]{0,128}$/;

/** @throws {@link ImgkitError} with `INVALID_ARGUMENT` if a name breaks the rule. */
export function checkName(kind: string, name: string): void {
  if (typeof name === 'string' && resourceName.pattern.test(name)) return;
  throw invalid(`"${name}" can't be the name of a ${kind}`, `Use ${resourceName.description}.`);
}

/** @throws {@link ImgkitError} with `INVALID_ARGUMENT` if there are too many labels, or one breaks the rules. */
export function checkLabels(labels: Readonly<Record<string, string | null>> = {}): void {
  const entries = Object.entries(labels);
  if (entries.length > maxLabels)
    throw invalid(`${entries.length} labels are too many`, `Use at most ${maxLabels}.`);
  for (const [key, value] of entries) {
    if (!labelKey.test(key))
      throw invalid(
        `"${key}" can't be the key of a label`,
        'Use 1 to 63 lower-case letters, digits, hyphens and underscores, starting with a letter.',
      );
    if (value !== null && (typeof value !== 'string' || !labelValue.test(value)))
      throw invalid(
        `"${value}" can't be the value of label "${key}"`,
        'Use at most 128 letters, digits, hyphens, underscores and dots.',
      );
  }
}

/** The labels after a change: `null` removes one. */
export function changedLabels(
  labels: Labels,
  changes: Readonly<Record<string, string | null>> = {},
): Record<string, string> {
  const changed: Record<string, string> = { ...labels };
  for (const [key, value] of Object.entries(changes)) {
    if (value === null) delete changed[key];
    else changed[key] = value;
  }
  checkLabels(changed);
  return changed;
}

/** Whether `labels` has all of `wanted`, with exactly these values. */
export function hasLabels(labels: Labels, wanted: Labels = {}): boolean {
  return Object.entries(wanted).every(([key, value]) => labels[key] === value);
}

/** @throws {@link ImgkitError} with `INVALID_ARGUMENT` if a description or a version is too long. */
export function checkTexts(texts: {
  readonly description?: string | undefined;
  readonly version?: string | undefined;
}): void {
  const { description = '', version = 'x' } = texts;
  if (description.length > maxDescription)
    throw invalid('the description is too long', `Use at most ${maxDescription} characters.`);
  if (version === '' || version.length > maxVersion)
    throw invalid(`"${version}" can't be a version`, `Use 1 to ${maxVersion} characters.`);
}

/**
 * The size as disks have it: a whole number of 512-byte sectors.
 *
 * @throws {@link ImgkitError} with `INVALID_ARGUMENT` if it isn't a whole number of bytes in the range.
 */
export function checkedSize(what: string, bytes: number, least = 1): number {
  const most = 64 * 2 ** 40;
  if (Number.isSafeInteger(bytes) && bytes >= least && bytes <= most)
    return Math.ceil(bytes / 512) * 512;
  throw invalid(
    `${what} can't have a size of ${bytes} bytes`,
    `Give a whole number of bytes, at least ${least} and at most ${most}.`,
  );
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
