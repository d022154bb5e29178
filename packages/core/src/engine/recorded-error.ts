import { inspect } from 'node:util';
import { errorCodes, ImgkitError } from '../spec/errors.ts';
import { detailsOf } from '../spec/error-details.ts';
import type { ErrorCode, ErrorDetails } from '../spec/errors.ts';
import { decode } from './json.ts';

interface RecordedError extends Omit<ErrorDetails, 'cause'> {
  readonly code: ErrorCode;
  readonly message: string;
  /** The messages of the causes, outermost first. */
  readonly causes: readonly string[];
}

/** The most that an error's data may take, in characters of JSON text. */
const dataLimit = 32 * 1024;

/** `error`, or what it means for a run when it isn't an imgkit error. */
export function asImgkitError(error: unknown, what: string): ImgkitError {
  if (ImgkitError.is(error)) return error;
  return new ImgkitError('OPERATION_FAILED', `${what} failed: ${messageOf(error)}`, {
    cause: error,
  });
}

/** The text under which an error is kept in the journal. Its cause chain is kept as messages. */
export function recordError(error: ImgkitError): string {
  const { cause: _, ...details } = detailsOf(error);
  const recorded: RecordedError = {
    ...details,
    code: error.code,
    message: error.message,
    data: recordable(error.data),
    causes: causesOf(error),
  };
  return JSON.stringify(recorded);
}

/** The error that {@link recordError} wrote down. */
export function recallError(text: string): ImgkitError {
  const { code, message, causes, ...details } = decode<RecordedError>(text);
  // A journal may have been written by a newer version, which knows more codes.
  const known = Object.hasOwn(errorCodes, code) ? code : 'OPERATION_FAILED';
  return new ImgkitError(known, message, { ...details, cause: nest(causes) });
}

/** What an error says, whatever was thrown. */
export function messageOf(error: unknown): string {
  if (error instanceof Error) return error.message;
  return typeof error === 'string' ? error : inspect(error);
}

function recordable(data: ErrorDetails['data']): ErrorDetails['data'] {
  if (data === undefined) return undefined;
  try {
    const text = JSON.stringify(data);
    return text.length <= dataLimit
      ? decode(text)
      : { dropped: `${text.length} characters of data` };
  } catch {
    return { dropped: 'data that is not JSON' };
  }
}

function causesOf(error: Error): string[] {
  const messages: string[] = [];
  let { cause } = error;
  while (cause instanceof Error && messages.length < 10) {
    messages.push(`${cause.name}: ${cause.message}`);
    ({ cause } = cause);
  }
  if (typeof cause === 'string') messages.push(cause);
  return messages;
}

function nest(causes: readonly string[]): Error | undefined {
  const [first, ...rest] = causes;
  return first === undefined ? undefined : new Error(first, { cause: nest(rest) });
}
