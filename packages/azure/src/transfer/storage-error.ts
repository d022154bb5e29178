import { ImgkitError, withDetails, type ErrorCode } from '@imgkit/core';

import { apiError, header } from '../errors.ts';

interface Verdict {
  readonly code: ErrorCode;
  readonly hint: string;
}

const access: Verdict = {
  code: 'PERMISSION_DENIED',
  hint: 'Ask for the role Storage Blob Data Contributor on the storage account, or give a key or signature of it: azure({ storage: { credentials } }).',
};
const signature: Verdict = {
  code: 'UNAUTHENTICATED',
  hint: 'The key or the signature of azure({ storage: { credentials } }) is wrong, or has expired.',
};

/** What Azure Storage's own codes mean: https://learn.microsoft.com/rest/api/storageservices/blob-service-error-codes */
const verdicts: Readonly<Record<string, Verdict>> = {
  AuthenticationFailed: signature,
  NoAuthenticationInformation: signature,
  AuthorizationFailure: access,
  AuthorizationPermissionMismatch: access,
  InsufficientAccountPermissions: access,
  KeyBasedAuthenticationNotPermitted: {
    code: 'PERMISSION_DENIED',
    hint: 'The account allows no keys: leave out azure({ storage: { credentials } }), and use the provider’s own.',
  },
  ContainerNotFound: {
    code: 'NOT_FOUND',
    hint: 'Make the container: az storage container create --account-name … --name …, or name another one: azure({ storage: { container } }).',
  },
  ContainerBeingDeleted: {
    code: 'FAILED_PRECONDITION',
    hint: 'Wait until it is gone, and make it again.',
  },
  AccountIsDisabled: { code: 'FAILED_PRECONDITION', hint: 'Use another storage account.' },
  LeaseIdMissing: {
    code: 'IN_USE',
    hint: 'Somebody holds a lease on it: az storage blob lease break.',
  },
  ServerBusy: { code: 'UNAVAILABLE', hint: 'Azure Storage has too much to do: try again later.' },
  OperationTimedOut: { code: 'UNAVAILABLE', hint: 'Azure Storage was too slow: try again later.' },
  Md5Mismatch: { code: 'UNAVAILABLE', hint: 'The data was damaged on the way: try again.' },
};

/**
 * Converts what a call on a blob threw; an imgkit error stays as it is.
 *
 * @param address - The blob's, without a signature.
 */
export function storageError(error: unknown, address: string): ImgkitError {
  if (ImgkitError.is(error)) return error;
  const known = apiError(error);
  const code = codeOf(error);
  const verdict = verdicts[code ?? ''];
  // The rest of the SDK's message tells the time and the request, which are told elsewhere.
  const [first = ''] = known.message.trim().split('\n');
  const message = first === '' ? `it answered with ${code ?? known.providerCode}` : first;
  const located = new ImgkitError(verdict?.code ?? known.code, `Azure Storage: ${message}`, {
    hint: verdict?.hint ?? known.hint,
    providerCode: code ?? known.providerCode,
    cause: error,
  });
  const { requestId, retryAfterMs } = known;
  return withDetails(located, { resource: address, requestId, retryAfterMs });
}

/** Azure's own code: where an answer has no body, its header has it. */
function codeOf(error: unknown): string | undefined {
  const code = header(error, 'x-ms-error-code') ?? Reflect.get(Object(error), 'code');
  return typeof code === 'string' ? code : undefined;
}
