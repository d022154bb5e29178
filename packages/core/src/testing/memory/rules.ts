import type { NameRule } from '../../spec/capabilities/images.ts';
import { ImgkitError } from '../../spec/errors.ts';
import type { Labels } from '../../spec/labels.ts';

/** What every resource of the memory cloud may be called. */
export const resourceName: NameRule = {
  pattern: /^[a-z](?:[-a-z0-9]{0,61}[a-z0-9])?$/,
  description:
    '1 to 63 lower-case letters, digits and hyphens, of which the first is a letter and the last is no hyphen',
};

const labelKey = /^[a-z][-_a-z0-9]{0,62}$/;
const labelValue = /^[-_a-z0-9]{0,63}$/;

/** @throws {@link ImgkitError} with `INVALID_ARGUMENT` if a name breaks its rule. */
export function checkName(kind: string, name: string, rule: NameRule = resourceName): void {
  if (rule.pattern.test(name)) return;
  throw new ImgkitError('INVALID_ARGUMENT', `"${name}" can't be the name of a ${kind}`, {
    resource: name,
    hint: `Use ${rule.description}.`,
  });
}

/** @throws {@link ImgkitError} with `INVALID_ARGUMENT` if a label breaks the cloud's rules. */
export function checkLabels(labels: Readonly<Record<string, string | null>> = {}): void {
  for (const [key, value] of Object.entries(labels)) {
    if (!labelKey.test(key)) {
      throw new ImgkitError('INVALID_ARGUMENT', `"${key}" can't be the key of a label`, {
        hint: 'Use 1 to 63 lower-case letters, digits, hyphens and underscores, starting with a letter.',
      });
    }
    if (value !== null && !labelValue.test(value)) {
      throw new ImgkitError('INVALID_ARGUMENT', `"${value}" can't be the value of label "${key}"`, {
        hint: 'Use at most 63 lower-case letters, digits, hyphens and underscores.',
      });
    }
  }
}

/** @throws {@link ImgkitError} with `INVALID_ARGUMENT` if a size isn't a whole number of bytes in the range. */
export function checkSize(what: string, bytes: number | undefined, least = 1): void {
  if (bytes === undefined || (Number.isSafeInteger(bytes) && bytes >= least)) return;
  throw new ImgkitError('INVALID_ARGUMENT', `${what} can't have a size of ${bytes} bytes`, {
    hint: `Give a whole number of bytes, at least ${least}.`,
  });
}

const instant = /^\d{4}-\d\d-\d\dT\d\d:\d\d(?::\d\d(?:\.\d+)?)?(?:Z|[+-]\d\d:\d\d)$/;

/** @throws {@link ImgkitError} with `INVALID_ARGUMENT` if a date isn't an ISO 8601 instant. */
export function checkInstant(what: string, date: string | undefined): void {
  if (date === undefined || (instant.test(date) && !Number.isNaN(Date.parse(date)))) return;
  throw new ImgkitError('INVALID_ARGUMENT', `"${date}" isn't an instant for ${what}`, {
    hint: 'Write it as ISO 8601, with the time zone: 2026-11-21T09:00:00Z.',
  });
}

/** The labels after a change: `null` removes one. */
export function changedLabels(
  labels: Labels,
  changes: Readonly<Record<string, string | null>> = {},
): Labels {
  const changed = { ...labels };
  for (const [key, value] of Object.entries(changes)) {
    if (value === null) delete changed[key];
    else changed[key] = value;
  }
  return changed;
}
