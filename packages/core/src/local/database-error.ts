import { ImgkitError, type ErrorCode } from '../spec/errors.ts';

/** What a primary result code of SQLite's means for the one whose file it is. */
interface Meaning {
  readonly code: ErrorCode;
  readonly text: string;
  readonly hint: string;
}

const locked: Meaning = {
  code: 'UNAVAILABLE',
  text: 'is locked',
  hint: 'Another process holds it for long; try again.',
};
const unusable: Meaning = {
  code: 'FAILED_PRECONDITION',
  text: "can't be used",
  hint: 'Check the disk, and that this user may write there.',
};
const damaged: Meaning = {
  code: 'FAILED_PRECONDITION',
  text: 'is damaged',
  hint: 'Restore it from a backup.',
};

/** See {@link https://www.sqlite.org/rescode.html | Result and Error Codes}. */
const meanings = new Map<number, Meaning>([
  [5, locked],
  [6, locked],
  [8, unusable],
  [10, unusable],
  [11, damaged],
  [13, { ...unusable, text: "can't be written", hint: 'Free some space, then try again.' }],
  [14, unusable],
  [26, damaged],
]);

/** Whether another process or connection holds the file. */
export function isLocked(error: unknown): boolean {
  return meanings.get(resultCode(error) ?? 0) === locked;
}

/** The error of an imgkit that uses the file for one that SQLite threw. Ours, and those that tell of the statement and not of the file, stay as they are. */
export function databaseError(
  error: unknown,
  subject: string,
  file: string,
  damagedHint?: string,
): unknown {
  const meaning = meanings.get(resultCode(error) ?? 0);
  if (meaning === undefined || !(error instanceof Error)) return error;
  const { code, text, hint } = meaning;
  return new ImgkitError(code, `${subject} ${text}: ${error.message}`, {
    resource: file,
    providerCode: `SQLITE ${String(Reflect.get(error, 'errcode'))}`,
    hint: meaning === damaged ? (damagedHint ?? hint) : hint,
    cause: error,
  });
}

/** The primary result code, which is the low byte of the extended one. */
function resultCode(error: unknown): number | undefined {
  const code: unknown = error instanceof Error ? Reflect.get(error, 'errcode') : undefined;
  return typeof code === 'number' ? code % 256 : undefined;
}
