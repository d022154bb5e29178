/**
 * What the caller can do about each error, which is how the codes are grouped:
 *
 * | do | codes |
 * | --- | --- |
 * | fix the call | `INVALID_ARGUMENT`, `UNSUPPORTED`, `PROVIDER_NOT_FOUND` |
 * | fix the world | `NOT_FOUND`, `ALREADY_EXISTS`, `FAILED_PRECONDITION`, `IN_USE`, `IMAGE_OBSOLETE`, `IMAGE_DELETED`, `UNAUTHENTICATED`, `PERMISSION_DENIED`, `QUOTA_EXCEEDED` |
 * | wait, then retry | `RATE_LIMITED`, `UNAVAILABLE`, `TIMEOUT`, `PENDING` |
 * | stop | `CANCELLED`, `OPERATION_FAILED`, `CLEANUP_FAILED` |
 * | fix the plugin | `PLUGIN_INVALID`, `PLUGIN_INCOMPATIBLE`, `PROTOCOL` |
 *
 * `PENDING` means that a wait ended before the cloud did: the work goes on there, and
 * {@link ImgkitError.token} resumes the waiting.
 */
export type ErrorCode = keyof typeof errorCodes;

/** Every {@link ErrorCode}, with whether the same call may succeed when it is simply made again later. */
export const errorCodes = {
  INVALID_ARGUMENT: { retryable: false },
  UNSUPPORTED: { retryable: false },
  PROVIDER_NOT_FOUND: { retryable: false },
  NOT_FOUND: { retryable: false },
  ALREADY_EXISTS: { retryable: false },
  FAILED_PRECONDITION: { retryable: false },
  IN_USE: { retryable: false },
  IMAGE_OBSOLETE: { retryable: false },
  IMAGE_DELETED: { retryable: false },
  UNAUTHENTICATED: { retryable: false },
  PERMISSION_DENIED: { retryable: false },
  QUOTA_EXCEEDED: { retryable: false },
  RATE_LIMITED: { retryable: true },
  UNAVAILABLE: { retryable: true },
  TIMEOUT: { retryable: true },
  PENDING: { retryable: true },
  CANCELLED: { retryable: false },
  OPERATION_FAILED: { retryable: false },
  CLEANUP_FAILED: { retryable: false },
  PLUGIN_INVALID: { retryable: false },
  PLUGIN_INCOMPATIBLE: { retryable: false },
  PROTOCOL: { retryable: false },
} as const satisfies Record<string, { readonly retryable: boolean }>;

/** Something that a failed clean-up left behind, and why. */
export interface Leftover {
  /** The name of the provider that holds it. */
  readonly provider: string;
  /** What it is, for example `instance`. */
  readonly kind: string;
  /** Its id at the provider. */
  readonly id: string;
  /** Why it could not be removed. */
  readonly reason: string;
}

/** The facts an {@link ImgkitError} carries beside its code and message. None may hold a secret. */
export interface ErrorDetails {
  /** The name of the provider that failed, for example `prod`. */
  readonly provider?: string | undefined;
  /** What was being done, for example `images.create`. */
  readonly operation?: string | undefined;
  /** What it was done to: an id, a name or a path. */
  readonly resource?: string | undefined;
  /** What the reader can do now, as a full sentence. */
  readonly hint?: string | undefined;
  /** The cloud's own code for the error, as it gave it. */
  readonly providerCode?: string | undefined;
  /** The cloud's own id of the request, for its support. */
  readonly requestId?: string | undefined;
  /** How long the cloud asks to wait before the next try, in milliseconds. */
  readonly retryAfterMs?: number | undefined;
  /** With `PENDING`: the token with which `provider.resume(token)` goes on waiting. */
  readonly token?: string | undefined;
  /** With `CLEANUP_FAILED`: what is still there. */
  readonly leftovers?: readonly Leftover[] | undefined;
  /** With `IMAGE_OBSOLETE` and `IMAGE_DELETED`: the text form of the image to use instead. */
  readonly replacement?: string | undefined;
  /** More facts as plain data, for example the last lines a guest printed. */
  readonly data?: Readonly<Record<string, unknown>> | undefined;
  /** The error underneath, as it was caught. */
  readonly cause?: unknown;
}

const brand = Symbol.for('@imgkit/ImgkitError');

/**
 * The one error class of imgkit and all its plugins.
 *
 * It is recognized by a brand rather than by `instanceof`, so that it is also recognized when a
 * plugin brought its own copy of `@imgkit/core`: use {@link ImgkitError.is}.
 *
 * @example
 * ```ts
 * import { ImgkitError } from '@imgkit/core';
 *
 * try {
 *   throw new ImgkitError('NOT_FOUND', 'image "web-7" does not exist', { provider: 'qemu' });
 * } catch (error) {
 *   if (ImgkitError.is(error, 'NOT_FOUND')) console.log(error.provider, error.hint);
 *   else throw error;
 * }
 * ```
 */
export class ImgkitError extends Error implements ErrorDetails {
  /** The stable code of what went wrong. */
  readonly code: ErrorCode;
  readonly provider: string | undefined;
  readonly operation: string | undefined;
  readonly resource: string | undefined;
  readonly hint: string | undefined;
  readonly providerCode: string | undefined;
  readonly requestId: string | undefined;
  readonly retryAfterMs: number | undefined;
  readonly token: string | undefined;
  readonly leftovers: readonly Leftover[] | undefined;
  readonly replacement: string | undefined;
  readonly data: Readonly<Record<string, unknown>> | undefined;

  /**
   * @param code - The stable code.
   * @param message - What went wrong and where, without secrets.
   * @param details - What else is known.
   */
  constructor(code: ErrorCode, message: string, details: ErrorDetails = {}) {
    super(message, details.cause === undefined ? undefined : { cause: details.cause });
    this.name = 'ImgkitError';
    this.code = code;
    this.provider = details.provider;
    this.operation = details.operation;
    this.resource = details.resource;
    this.hint = details.hint;
    this.providerCode = details.providerCode;
    this.requestId = details.requestId;
    this.retryAfterMs = details.retryAfterMs;
    this.token = details.token;
    this.leftovers = details.leftovers;
    this.replacement = details.replacement;
    this.data = details.data;
    Object.defineProperty(this, brand, { value: true });
  }

  /** Whether the same call may succeed when it is simply made again later. */
  get retryable(): boolean {
    return errorCodes[this.code].retryable;
  }

  /**
   * Tells whether `value` is an imgkit error, from whatever copy of the library, and has `code` if one is given.
   */
  static is<C extends ErrorCode>(
    value: unknown,
    code?: C,
  ): value is ImgkitError & { readonly code: C } {
    return (
      value instanceof Error &&
      Reflect.get(value, brand) === true &&
      (code === undefined || Reflect.get(value, 'code') === code)
    );
  }
}
