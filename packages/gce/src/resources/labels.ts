import { ImgkitError, type Labels } from '@imgkit/core';

/** The label with the digest of the idempotency key that something was made with. */
export const keyLabel = 'imgkit-key';
/** The label with the family an image belongs to or is staged for. */
export const familyLabel = 'imgkit-family';
/** The label with the version of an image in its family. */
export const versionLabel = 'imgkit-version';
/** The label with the instant of an image's last publication, in milliseconds since 1970. */
export const publishedLabel = 'imgkit-published';

/** The label of an image that isn't finished when its data stands: it is still to be deprecated or published. */
export const pendingLabel = 'imgkit-pending';

/** The labels that the adapter keeps for itself: they aren't shown among a resource's labels. */
const ownLabels: ReadonlySet<string> = new Set([
  keyLabel,
  familyLabel,
  versionLabel,
  publishedLabel,
  pendingLabel,
]);

/** How many labels a resource may have. https://cloud.google.com/compute/docs/labeling-resources */
const mostLabels = 64;
const keyPattern = /^[a-z][a-z0-9_-]{0,62}$/;
const plainValue = /^[a-z0-9_-]{0,63}$/;
/** What encoded values begin with: escaped bytes, or a digest of 64 hexadecimal digits, which is one too long. */
const escaped = '--e';
const digested = '--d';
const digest = /^[0-9a-f]{64}$/;

/**
 * The labels as Google takes them. Its values have lower-case letters, digits, hyphens and underscores, at most
 * 63: others are written so that they can be read back, the same value always the same way.
 *
 * @throws ImgkitError with `INVALID_ARGUMENT` for a key that Google doesn't take, a value that is too long, or
 *   too many labels.
 */
export function toGceLabels(
  labels: Labels = {},
  own: Readonly<Record<string, string | undefined>> = {},
): Record<string, string> {
  const encoded: Record<string, string> = {};
  for (const [key, value] of Object.entries(labels)) {
    if (!keyPattern.test(key) || ownLabels.has(key))
      throw invalid(
        `"${key}" can't be the key of a label`,
        'Use 1 to 63 lower-case letters, digits, hyphens and underscores, starting with a letter.',
      );
    encoded[key] = encodeLabelValue(value, key);
  }
  for (const [key, value] of Object.entries(own))
    if (value !== undefined) encoded[key] = encodeLabelValue(value, key);
  const count = Object.keys(encoded).length;
  if (count > mostLabels)
    throw invalid(`${count} labels are too many`, `Google takes ${mostLabels}, with imgkit's own.`);
  return encoded;
}

/** The labels as their user gave them, without those the adapter keeps for itself. */
export function fromGceLabels(labels: Readonly<Record<string, string>>): Record<string, string> {
  const shown: Record<string, string> = {};
  for (const [key, value] of Object.entries(labels))
    if (!ownLabels.has(key)) shown[key] = decodeLabelValue(value);
  return shown;
}

/** The labels but one. */
export function without(
  labels: Readonly<Record<string, string>>,
  unwanted: string,
): Record<string, string> {
  return Object.fromEntries(Object.entries(labels).filter(([key]) => key !== unwanted));
}

/** Whether `labels`, as their user gave them, has all of `wanted` with exactly these values. */
export function hasLabels(labels: Labels, wanted: Labels = {}): boolean {
  return Object.entries(wanted).every(([key, value]) => labels[key] === value);
}

/**
 * The terms of a filter for resources that have all these labels. Google compares without regard to what an
 * empty value means, so what it gives is compared again with {@link hasLabels}.
 */
export function labelFilter(labels: Labels = {}): readonly string[] {
  return Object.entries(labels).map(([key, value]) => {
    const encoded = encodeLabelValue(value, key);
    return encoded === '' ? `labels.${key}:*` : `labels.${key}="${encoded}"`;
  });
}

/** One value as Google takes it. */
export function encodeLabelValue(value: string, key: string): string {
  if (typeof value !== 'string')
    throw invalid(`the value of label "${key}" isn't a text`, 'Give a text.');
  if (plainValue.test(value) && !value.startsWith('--')) return value;
  const encoded = digest.test(value) ? digested + shorten(value) : escaped + escape(value);
  if (encoded.length <= 63) return encoded;
  throw invalid(
    `the value of label "${key}" is too long: "${value}"`,
    'Google takes 63 characters; others than lower-case letters, digits and hyphens count as three.',
  );
}

/** One value as its user gave it. */
export function decodeLabelValue(value: string): string {
  if (value.startsWith(escaped)) return unescape(value.slice(escaped.length));
  if (value.startsWith(digested)) return lengthen(value.slice(digested.length));
  return value;
}

function escape(value: string): string {
  const bytes = Array.from(new TextEncoder().encode(value), (byte) => {
    const letter = String.fromCharCode(byte);
    return /[a-z0-9-]/.test(letter) ? letter : `_${byte.toString(16).padStart(2, '0')}`;
  });
  return bytes.join('');
}

function unescape(encoded: string): string {
  const bytes = Array.from(encoded.matchAll(/_([0-9a-f]{2})|[^]/g), ([letter, hex]) =>
    hex === undefined ? letter.charCodeAt(0) : Number.parseInt(hex, 16),
  );
  return new TextDecoder().decode(Uint8Array.from(bytes));
}

/** 64 hexadecimal digits as 52 of base 32. */
function shorten(hex: string): string {
  return BigInt(`0x${hex}`).toString(32).padStart(52, '0');
}

function lengthen(short: string): string {
  let value = 0n;
  for (const digit of short) value = value * 32n + BigInt(Number.parseInt(digit, 32));
  return value.toString(16).padStart(64, '0');
}

function invalid(message: string, hint: string): ImgkitError {
  return new ImgkitError('INVALID_ARGUMENT', message, { hint });
}
