import { ImgkitError, type ErrorCode, type ErrorDetails } from '@imgkit/core';

import { isWireObject, number, object, objects, text, type WireObject } from './api/wire.ts';

/** What an error of Azure says, however the SDK wrapped it. */
interface ApiFailure {
  /** The HTTP status; none when there was no answer. */
  readonly status: number | undefined;
  /** Azure's code: `ResourceNotFound`, `AuthorizationFailed`. */
  readonly code: string | undefined;
  /** The codes inside, such as `TooManyRequests`. */
  readonly inner: readonly string[];
  readonly message: string;
  readonly requestId: string | undefined;
  readonly retryAfterMs: number | undefined;
  /** Of a call too many: what Azure counted, and how many it allows. */
  readonly rate: WireObject | undefined;
}

interface Verdict {
  readonly code: ErrorCode;
  readonly hint?: string | undefined;
}

const notThere: Verdict = { code: 'NOT_FOUND', hint: 'See what there is by listing.' };
const denied: Verdict = {
  code: 'PERMISSION_DENIED',
  hint: 'Ask for a role with the action that the message names; a new role takes some minutes to work.',
};
const signIn: Verdict = {
  code: 'UNAUTHENTICATED',
  hint: 'The credentials are refused: renew them, for example with az login, or set AZURE_CLIENT_ID, AZURE_TENANT_ID and AZURE_CLIENT_SECRET.',
};
const quota: Verdict = {
  code: 'QUOTA_EXCEEDED',
  hint: 'Free what is no longer needed, or ask Azure for more: https://learn.microsoft.com/azure/quotas/',
};
const noRoom: Verdict = {
  code: 'QUOTA_EXCEEDED',
  hint: 'Azure has no such machine to give here now: ask for another size, zone or region, or try again later.',
};
const wait: Verdict = { code: 'RATE_LIMITED', hint: 'Azure counts calls over 3 and 30 minutes.' };
const inUse: Verdict = { code: 'IN_USE', hint: 'Remove what is in it, or what uses it, first.' };
const going: Verdict = {
  code: 'FAILED_PRECONDITION',
  hint: 'Something else is going on on it, or what it is can’t change: read it again.',
};

const terms: Verdict = {
  code: 'FAILED_PRECONDITION',
  hint: 'Its publisher wants the terms of its plan accepted, once for each subscription: az vm image terms accept --urn publisher:offer:sku:version',
};

/** By Azure's code, in lower case. */
const byCode: Readonly<Record<string, Verdict>> = {
  resourcenotfound: notThere,
  notfound: notThere,
  parentresourcenotfound: notThere,
  resourcegroupnotfound: {
    code: 'NOT_FOUND',
    hint: 'The resource group must stand: az group create --name … --location …',
  },
  subscriptionnotfound: {
    code: 'NOT_FOUND',
    hint: 'Check the id of the subscription, and that the credentials belong to its tenant.',
  },
  authorizationfailed: denied,
  linkedauthorizationfailed: denied,
  requestdisallowedbypolicy: {
    code: 'PERMISSION_DENIED',
    hint: 'A policy of the subscription forbids it: the message names it.',
  },
  scopelocked: {
    code: 'FAILED_PRECONDITION',
    hint: 'A lock protects it: az lock list shows which.',
  },
  imageversiondeprecated: {
    code: 'IMAGE_OBSOLETE',
    hint: 'Its publisher has withdrawn it: use a newer version, or `latest`.',
  },
  resourcepurchasevalidationfailed: terms,
  marketplacepurchaseeligibilityfailed: terms,
  invalidauthenticationtoken: signIn,
  invalidauthenticationtokentenant: signIn,
  expiredauthenticationtoken: signIn,
  authenticationfailed: signIn,
  quotaexceeded: quota,
  skunotavailable: noRoom,
  allocationfailed: noRoom,
  zonalallocationfailed: noRoom,
  overconstrainedallocationrequest: noRoom,
  overconstrainedzonalallocationrequest: noRoom,
  galleryimagenotfound: {
    code: 'NOT_FOUND',
    hint: 'Replicate the image to the region, or work in another one.',
  },
  platformimagenotfound: notThere,
  attachdiskwhilebeingdetached: inUse,
  nicinuse: inUse,
  preconditionfailed: going,
  cannotdeleteresource: inUse,
  resourceinuse: inUse,
  diskinuse: inUse,
  toomanyrequests: wait,
  subscriptionrequeststhrottled: wait,
  resourcecollectionrequeststhrottled: wait,
  propertychangenotallowed: going,
  conflict: going,
  anotheroperationinprogress: going,
  principalnotfound: {
    code: 'UNAVAILABLE',
    hint: 'Entra ID may not know a new principal everywhere yet: try again in a minute, or check its object id.',
  },
  invalidparameter: { code: 'INVALID_ARGUMENT' },
  invalidrequestcontent: { code: 'INVALID_ARGUMENT' },
  badrequest: { code: 'INVALID_ARGUMENT' },
};

const byStatus: Readonly<Record<number, Verdict>> = {
  400: { code: 'INVALID_ARGUMENT' },
  401: signIn,
  403: denied,
  404: notThere,
  408: { code: 'UNAVAILABLE' },
  409: going,
  410: notThere,
  412: going,
  429: wait,
};

/** Deletion protection has no code of its own: only the message tells. */
const protection: Verdict = {
  code: 'FAILED_PRECONDITION',
  hint: 'The version may not be deleted before its end of life: clear safetyProfile.blockDeletionBeforeEndOfLife first.',
};

/** Reads what Azure said from an error that its SDK threw. */
function readFailure(error: unknown): ApiFailure {
  const fields: WireObject = isWireObject(error) ? error : {};
  const body = object(fields, 'details');
  const said = object(body, 'error') ?? body;
  const status = typeof fields['statusCode'] === 'number' ? fields['statusCode'] : undefined;
  const code = text(said, 'code') ?? (status === undefined ? undefined : text(fields, 'code'));
  const message = text(said, 'message') ?? (error instanceof Error ? error.message : String(error));
  const retryAfter = Number(header(error, 'retry-after') ?? Number.NaN);
  return {
    status,
    code,
    inner: objects(said, 'details').flatMap((detail) => text(detail, 'code') ?? []),
    message,
    requestId: header(error, 'x-ms-request-id'),
    retryAfterMs: Number.isNaN(retryAfter) ? undefined : retryAfter * 1000,
    rate: status === 429 ? rateOf(objects(said, 'details')) : undefined,
  };
}

/**
 * What Azure says of its counting when it refuses a call: a JSON text in one of the details. Nothing that can't be read
 * may hide the refusal itself.
 */
function rateOf(details: readonly WireObject[]): WireObject | undefined {
  for (const detail of details) {
    const said = parsed(text(detail, 'message'));
    const [group, allowed] = [text(said, 'operationGroup'), number(said, 'allowedRequestCount')];
    const measured = number(said, 'measuredRequestCount');
    if (group !== undefined || allowed !== undefined) return { group, allowed, measured };
  }
  const target = details.map((detail) => text(detail, 'target')).find(Boolean);
  return target === undefined ? undefined : { group: target };
}

function parsed(message: string | undefined): WireObject | undefined {
  try {
    const value: unknown = JSON.parse(message ?? '');
    return isWireObject(value) ? value : undefined;
  } catch {
    return undefined; // a message for people
  }
}

/** Converts what the SDK threw; an imgkit error stays as it is. */
export function apiError(error: unknown, details: ErrorDetails = {}): ImgkitError {
  if (ImgkitError.is(error)) return error;
  const failure = readFailure(error);
  const { status, message } = failure;
  const { code, hint } = status === undefined ? withoutAnswer(error) : verdictOf(failure);
  return new ImgkitError(code, message, {
    hint,
    providerCode: failure.code ?? (status === undefined ? undefined : String(status)),
    requestId: failure.requestId,
    retryAfterMs: failure.retryAfterMs,
    ...(failure.rate === undefined ? {} : { data: { rate: failure.rate } }),
    cause: error,
    ...details,
  });
}

/**
 * The error of an operation that ended badly.
 *
 * @param status - What looking at the operation answered.
 */
export function operationError(status: WireObject, details: ErrorDetails = {}): ImgkitError {
  const said = object(status, 'error');
  const code = text(said, 'code');
  const message = text(said, 'message');
  const verdict = byCode[code?.toLowerCase() ?? ''];
  return new ImgkitError(
    verdict?.code ?? 'OPERATION_FAILED',
    message ??
      `the operation ended as ${text(status, 'status') ?? 'failed'}, and Azure gives no reason`,
    {
      hint: verdict?.hint,
      providerCode: code,
      data: { operation: text(status, 'name'), details: objects(said, 'details') },
      ...details,
    },
  );
}

function verdictOf({ status = 0, code, inner, message }: ApiFailure): Verdict {
  if (status === 429) return wait;
  if (/\bis attached to VM\b/.test(message)) return inUse;
  if (message.includes('blockDeletionBeforeEndOfLife')) return protection;
  if (code === 'OperationNotAllowed' && /\bquota\b/i.test(message)) return quota;
  for (const one of [code, ...inner]) {
    const verdict = byCode[one?.toLowerCase() ?? ''];
    if (verdict !== undefined) return verdict;
  }
  const known = byStatus[status];
  if (known !== undefined) return known;
  return status >= 500
    ? { code: 'UNAVAILABLE', hint: 'Azure has trouble: try again later.' }
    : { code: 'INVALID_ARGUMENT' };
}

/** The names of the errors of `@azure/identity`. */
const identityErrors = new Set([
  'CredentialUnavailableError',
  'AuthenticationError',
  'AggregateAuthenticationError',
  'AuthenticationRequiredError',
]);

/** What to make of an error that came without an answer. */
function withoutAnswer(error: unknown): Verdict {
  const name = error instanceof Error ? error.name : '';
  if (identityErrors.has(name)) return signIn;
  if (name === 'AbortError') return { code: 'CANCELLED' };
  const code: unknown = error instanceof Error ? Reflect.get(error, 'code') : undefined;
  if (name === 'RestError' || typeof code === 'string')
    return {
      code: 'UNAVAILABLE',
      hint: 'Azure can’t be reached: check the network and the proxy.',
    };
  return { code: 'PROTOCOL' };
}

/** One header of the answer that an error came with. */
export function header(error: unknown, name: string): string | undefined {
  const response = isWireObject(error) ? error['response'] : undefined;
  const headers: unknown = isWireObject(response) ? response['headers'] : undefined;
  if (!isWireObject(headers)) return undefined;
  const read = headers['get'];
  const value: unknown =
    typeof read === 'function' ? Reflect.apply(read, headers, [name]) : headers[name];
  return typeof value === 'string' ? value : undefined;
}
