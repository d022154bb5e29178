import { createHash } from 'node:crypto';

import { invalid, required } from './errors.ts';

/** An instant as Google writes it: `2026-11-21T03:10:00.123-08:00`. */
export function timestamp(ms: number): string {
  return `${new Date(ms - 8 * 3_600_000).toISOString().slice(0, -1)}-08:00`;
}

/** The fingerprint of labels, metadata and the like: 8 bytes in base64. */
export function fingerprint(value: unknown): string {
  const text = JSON.stringify(value ?? {});
  // What Google answers for a resource without labels.
  if (text === '{}') return '42WmSpB8rSM=';
  return createHash('sha256').update(text).digest().subarray(0, 8).toString('base64');
}

const nameForm = /^[a-z](?:[-a-z0-9]{0,61}[a-z0-9])?$/;

/** The name of a new resource, or a refusal. */
export function checkName(field: string, name: string | undefined): string {
  if (name === undefined) throw required(field);
  if (!nameForm.test(name)) {
    throw invalid(field, name, "Must be a match of regex '(?:[a-z](?:[-a-z0-9]{0,61}[a-z0-9])?)'");
  }
  return name;
}

const labelKey = /^[\p{Ll}\p{Lo}][\p{Ll}\p{Lo}\p{N}_-]{0,62}$/u;
const labelValue = /^[\p{Ll}\p{Lo}\p{N}_-]{0,63}$/u;

/** Refuses labels that Google doesn't take. */
export function checkLabels(field: string, labels: Readonly<Record<string, string>>): void {
  const entries = Object.entries(labels);
  if (entries.length > 64) {
    throw invalid(field, String(entries.length), 'A resource may have at most 64 labels.');
  }
  for (const [key, value] of entries) {
    if (!labelKey.test(key)) {
      throw invalid(
        `${field}.key`,
        key,
        'Label keys have at most 63 lower-case letters, digits, _ and -.',
      );
    }
    if (!labelValue.test(value)) {
      throw invalid(
        `${field}.${key}`,
        value,
        'Label values have at most 63 lower-case letters, digits, _ and -.',
      );
    }
  }
}

/** Refuses a date that isn't an RFC 3339 one. */
export function checkTimestamp(field: string, value: string): void {
  const whole = /^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(\.\d+)?(Z|[+-]\d{2}:\d{2})$/;
  if (!whole.test(value) || Number.isNaN(Date.parse(value))) {
    throw invalid(field, value, 'Must be an RFC3339 formatted timestamp.');
  }
}
