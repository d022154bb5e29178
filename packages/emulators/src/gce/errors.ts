import type { Answer } from '../control-plane/http-server.ts';
import type { JsonObject } from '../control-plane/json.ts';

/** What an error carries beside its status, reason and message. */
export interface ApiErrorExtras {
  readonly domain?: string | undefined;
  /** Google's canonical code: `PERMISSION_DENIED`. */
  readonly canonical?: string | undefined;
  /** `google.rpc` details: ErrorInfo, Help. */
  readonly details?: readonly JsonObject[] | undefined;
  readonly retryAfterSeconds?: number | undefined;
}

/** A refusal as Google answers it, at once, before there is an operation. */
export class ApiError extends Error {
  override readonly name = 'ApiError';
  readonly status: number;
  readonly reason: string;
  readonly extras: ApiErrorExtras;

  constructor(status: number, reason: string, message: string, extras: ApiErrorExtras = {}) {
    super(message);
    this.status = status;
    this.reason = reason;
    this.extras = extras;
  }
}

/** A failure of an operation that has been accepted. */
export class OperationFailure extends Error {
  override readonly name = 'OperationFailure';
  /** `RESOURCE_IN_USE_BY_ANOTHER_RESOURCE`, `QUOTA_EXCEEDED`. */
  readonly code: string;
  readonly status: number;
  /** Further parts of the error: `location`, `errorDetails`. */
  readonly more: JsonObject;

  constructor(code: string, message: string, status = 400, more: JsonObject = {}) {
    super(message);
    this.code = code;
    this.status = status;
    this.more = more;
  }
}

/** The body of an error answer. */
export function errorAnswer({ status, reason, message, extras }: ApiError): Answer {
  const { domain = 'global', canonical, details, retryAfterSeconds } = extras;
  return {
    status,
    headers: retryAfterSeconds === undefined ? {} : { 'retry-after': String(retryAfterSeconds) },
    body: {
      error: {
        code: status,
        message,
        errors: [{ message, domain, reason }],
        status: canonical,
        details,
      },
    },
  };
}

/** @param link - `projects/p/global/images/i` */
export function notFound(link: string): ApiError {
  return new ApiError(404, 'notFound', `The resource '${link}' was not found`);
}

export function alreadyExists(link: string): ApiError {
  return new ApiError(409, 'alreadyExists', `The resource '${link}' already exists`);
}

/** @param field - `resource.name`, or the name of a parameter. */
export function invalid(field: string, value: string, why: string): ApiError {
  return new ApiError(400, 'invalid', `Invalid value for field '${field}': '${value}'. ${why}`);
}

export function required(field: string): ApiError {
  return new ApiError(400, 'required', `Required field '${field}' not specified`);
}

export function badRequest(message: string): ApiError {
  return new ApiError(400, 'badRequest', message);
}

/** @param what - `disk`, `image`. */
export function resourceInUse(what: string, link: string, user: string): ApiError {
  return new ApiError(
    400,
    'resourceInUseByAnotherResource',
    `The ${what} resource '${link}' is already being used by '${user}'`,
  );
}

export function resourceNotReady(link: string): ApiError {
  return new ApiError(400, 'resourceNotReady', `The resource '${link}' is not ready`);
}

export function conditionNotMet(message: string): ApiError {
  return new ApiError(412, 'conditionNotMet', message);
}

/** @param permission - `compute.images.get` */
export function forbidden(permission: string, link: string): ApiError {
  return new ApiError(403, 'forbidden', `Required '${permission}' permission for '${link}'`);
}

export function unauthenticated(): ApiError {
  return new ApiError(
    401,
    'authError',
    'Request had invalid authentication credentials. Expected OAuth 2 access token, login cookie or other valid authentication credential.',
    { canonical: 'UNAUTHENTICATED' },
  );
}

/** @param where - `globally`, `in region us-central1`. */
export function quotaExceeded(metric: string, limit: number, where: string): ApiError {
  return new ApiError(
    403,
    'quotaExceeded',
    `Quota '${metric}' exceeded.  Limit: ${limit.toFixed(1)} ${where}.`,
  );
}

/** The rate per minute is used up: a caller may go on in the next minute. */
export function rateLimitExceeded(
  metric: string,
  limit: string,
  perMinute: number,
  projectNumber: string,
): ApiError {
  const consumer = `projects/${projectNumber}`;
  return new ApiError(
    403,
    'rateLimitExceeded',
    `Quota exceeded for quota metric '${metric}' and limit '${limit}' of service 'compute.googleapis.com' for consumer 'project_number:${projectNumber}'.`,
    {
      domain: 'usageLimits',
      canonical: 'PERMISSION_DENIED',
      details: [
        {
          '@type': 'type.googleapis.com/google.rpc.ErrorInfo',
          reason: 'RATE_LIMIT_EXCEEDED',
          domain: 'googleapis.com',
          metadata: {
            service: 'compute.googleapis.com',
            consumer,
            quota_metric: `compute.googleapis.com/${metric}`,
            quota_limit: limit,
            quota_limit_value: String(perMinute),
          },
        },
      ],
    },
  );
}

/** Too many operations of one kind at once. */
export function tooManyOperations(metric: string, limit: number, projectNumber: string): ApiError {
  return new ApiError(
    403,
    'rateLimitExceeded',
    `Quota exceeded for quota metric '${metric}' and limit '${limit}' concurrent operations of consumer 'project_number:${projectNumber}'.`,
    {
      domain: 'usageLimits',
      canonical: 'PERMISSION_DENIED',
      details: [
        {
          '@type': 'type.googleapis.com/google.rpc.ErrorInfo',
          reason: 'CONCURRENT_OPERATIONS_QUOTA_EXCEEDED',
          domain: 'compute.googleapis.com',
          metadata: { quota_metric: metric, quota_limit_value: String(limit) },
        },
      ],
    },
  );
}

/** The API has this method, and the emulator hasn't. */
export function notEmulated(what: string): ApiError {
  return new ApiError(501, 'notImplemented', `${what} is not emulated by @imgkit/emulators.`, {
    canonical: 'UNIMPLEMENTED',
  });
}
