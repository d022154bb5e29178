import { ImgkitError, type ErrorCode, type ErrorDetails } from '@imgkit/core';

import { isWireObject, number, object, objects, text, type WireObject } from './api/wire.ts';

/** Where Google's REST transport keeps the answer that an error was made of. */
const rawPayload = Symbol.for('google-gax.rawHttpResponsePayload');

/** gRPC's numbers, which the SDK gives to what never got an answer. */
const grpc = { cancelled: 1, invalidArgument: 3, deadlineExceeded: 4, unavailable: 14 } as const;

/** What an error of the API says, however the SDK wrapped it. */
export interface ApiFailure {
  /** The HTTP status; none when there was no answer. */
  readonly status: number | undefined;
  /** Google's reason: `alreadyExists`, `quotaExceeded`, `CONCURRENT_OPERATIONS_QUOTA_EXCEEDED`. */
  readonly reasons: readonly string[];
  readonly message: string;
}

/** What Node.js calls connections that break or can't be made. */
const systemCodes = /^E(?:CONN\w+|PIPE|TIMEDOUT|NOTFOUND|AI_AGAIN|HOSTUNREACH|NETUNREACH)$/;

interface Verdict {
  readonly code: ErrorCode;
  readonly hint?: string | undefined;
}

const wait: Verdict = {
  code: 'RATE_LIMITED',
  hint: 'Google counts calls by the minute: it works again in the next one.',
};
const quota: Verdict = {
  code: 'QUOTA_EXCEEDED',
  hint: 'Free what is no longer needed, or ask Google for more: https://console.cloud.google.com/iam-admin/quotas',
};
const busy: Verdict = {
  code: 'IN_USE',
  hint: 'Detach it, or wait until what uses it is done, and try again.',
};
const changed: Verdict = {
  code: 'FAILED_PRECONDITION',
  hint: 'Somebody else changed it at the same time: read it again.',
};

const taken: Verdict = {
  code: 'ALREADY_EXISTS',
  hint: 'Choose another name, or remove what has it.',
};
const absent: Verdict = { code: 'NOT_FOUND', hint: 'See what there is by listing.' };
const forbidden: Verdict = {
  code: 'PERMISSION_DENIED',
  hint: 'Ask for a role with the permission that the message names.',
};
const wrong: Verdict = {
  code: 'INVALID_ARGUMENT',
  hint: 'Google doesn’t take the request: the message names the field.',
};

/** By Google's reason, in lower case and without underscores: the same one is written both ways. */
const byReason: Readonly<Record<string, Verdict>> = {
  ratelimitexceeded: wait,
  userratelimitexceeded: wait,
  resourceoperationrateexceeded: wait,
  concurrentoperationsquotaexceeded: wait,
  quotaexceeded: quota,
  limitexceeded: quota,
  resourcenotready: {
    code: 'UNAVAILABLE',
    hint: 'Google is still working on the resource: it works once that is done.',
  },
  zoneresourcepoolexhausted: {
    code: 'UNAVAILABLE',
    hint: 'Google has no such machine left in this zone now: try later, another zone, or another machine type.',
  },
  zoneresourcepoolexhaustedwithdetails: {
    code: 'UNAVAILABLE',
    hint: 'Google has no such machine left in this zone now: try later, another zone, or another machine type.',
  },
  resourceinusebyanotherresource: busy,
  resourceinuse: busy,
  conditionnotmet: changed,
  alreadyexists: taken,
  resourcealreadyexists: taken,
  notfound: absent,
  resourcenotfound: absent,
  forbidden,
  permissionserror: forbidden,
  accessnotconfigured: {
    code: 'FAILED_PRECONDITION',
    hint: 'Enable the Compute Engine API in this project: gcloud services enable compute.googleapis.com',
  },
};

const byStatus: Readonly<Record<number, Verdict>> = {
  400: wrong,
  401: {
    code: 'UNAUTHENTICATED',
    hint: 'The credentials are refused: renew them, for example with gcloud auth application-default login.',
  },
  403: forbidden,
  404: absent,
  408: { code: 'UNAVAILABLE', hint: 'Google got the request too slowly: check the network.' },
  409: taken,
  410: absent,
  412: changed,
  413: { code: 'INVALID_ARGUMENT', hint: 'The request is too large: give less metadata.' },
  429: wait,
  501: { code: 'UNSUPPORTED', hint: 'This server doesn’t have that call.' },
};

/** Reads what Google said from an error that its client threw. */
export function readFailure(error: unknown): ApiFailure {
  const said = payloadOf(error);
  const details = objects(said, 'details');
  const reasons = [
    ...details.map((detail) => text(detail, 'reason')),
    ...objects(said, 'errors').map((entry) => text(entry, 'reason')),
    textField(error, 'reason'),
  ].filter((reason) => reason !== undefined);
  const status =
    numberField(error, 'httpStatusCode') ?? numberField(error, 'status') ?? number(said, 'code');
  const message = text(said, 'message') ?? (error instanceof Error ? error.message : String(error));
  return { status, reasons: [...new Set(reasons)], message };
}

/** Converts what Google's client threw; an imgkit error stays as it is. */
export function apiError(error: unknown, details: ErrorDetails = {}): ImgkitError {
  if (ImgkitError.is(error)) return error;
  const { status, reasons, message } = readFailure(error);
  const { code, hint } =
    verdictOf(reasons) ??
    (status === undefined ? withoutAnswer(error) : (byStatus[status] ?? serverTrouble(status)));
  return new ImgkitError(code, message, {
    hint,
    providerCode: reasons.at(-1) ?? (status === undefined ? undefined : String(status)),
    cause: error,
    ...details,
  });
}

/** The error of an operation that ended badly; nothing for one that didn't. */
export function operationError(
  operation: WireObject,
  details: ErrorDetails = {},
): ImgkitError | undefined {
  const errors = objects(object(operation, 'error'), 'errors');
  const status = number(operation, 'httpErrorStatusCode') ?? 0;
  if (errors.length === 0 && status < 400) return undefined;
  const codes = errors.map((entry) => text(entry, 'code')).filter((code) => code !== undefined);
  const said = errors.map((entry) => text(entry, 'message')).filter((one) => one !== undefined);
  const { code, hint } = verdictOf(codes) ?? { code: 'OPERATION_FAILED' };
  const message =
    said.join('; ') ||
    (text(operation, 'httpErrorMessage') ?? 'the operation failed, and Google gives no reason');
  return new ImgkitError(code, message, {
    hint,
    providerCode: codes[0] ?? String(status),
    data: { operation: text(operation, 'name'), errors },
    ...details,
  });
}

/** Whether an error is that of an operation that Google accepted, and that ended badly. */
export function isOperationFailure(error: unknown): boolean {
  return ImgkitError.is(error) && error.data?.['operation'] !== undefined;
}

function verdictOf(reasons: readonly string[]): Verdict | undefined {
  for (const reason of reasons) {
    const verdict = byReason[reason.toLowerCase().replaceAll('_', '')];
    if (verdict !== undefined) return verdict;
  }
  return undefined;
}

function serverTrouble(status: number): Verdict {
  return status >= 500
    ? { code: 'UNAVAILABLE', hint: 'Google has trouble: try again later.' }
    : wrong;
}

/** What to make of an error that came without an answer. */
function withoutAnswer(error: unknown): Verdict {
  const code = numberField(error, 'code');
  if (code === grpc.deadlineExceeded) return { code: 'TIMEOUT' };
  if (code === grpc.cancelled) return { code: 'CANCELLED' };
  if (code === grpc.unavailable || systemCodes.test(textField(error, 'code') ?? ''))
    return {
      code: 'UNAVAILABLE',
      hint: 'Google can’t be reached: check the network and the proxy.',
    };
  return { code: 'PROTOCOL' };
}

/** The `error` part of Google's answer, as its client of Compute Engine keeps it, or its HTTP client. */
function payloadOf(error: unknown): WireObject | undefined {
  const raw = field(error, rawPayload) ?? field(field(error, 'response'), 'data');
  const parsed: unknown = typeof raw === 'string' ? parse(raw) : raw;
  const answer: unknown = Array.isArray(parsed) ? parsed[0] : parsed;
  return isWireObject(answer) ? (object(answer, 'error') ?? undefined) : undefined;
}

function parse(json: string): unknown {
  try {
    return JSON.parse(json);
  } catch {
    return undefined; // a page of some proxy
  }
}

function field(error: unknown, key: string | symbol): unknown {
  return typeof error === 'object' && error !== null ? Reflect.get(error, key) : undefined;
}

function textField(error: unknown, key: string): string | undefined {
  const value = field(error, key);
  return typeof value === 'string' && value !== '' ? value : undefined;
}

function numberField(error: unknown, key: string): number | undefined {
  const value = field(error, key);
  return typeof value === 'number' ? value : undefined;
}
