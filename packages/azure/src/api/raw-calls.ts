import { ImgkitError, type CallOptions } from '@imgkit/core';

import type { SdkClient } from './sdk.ts';
import { isWireObject, type WireObject } from './wire.ts';

/** The versions of what the SDK for Compute has no methods for, as they are spoken. */
export const rawVersions = { network: '2024-05-01', subscriptions: '2022-12-01' } as const;

/** An answer as it came. */
interface RawAnswer {
  readonly status: string;
  readonly body: unknown;
  readonly headers: WireObject;
}

type Send = (options: object) => PromiseLike<RawAnswer>;

/** The part of the SDK that sends any request with its pipeline. */
export interface RawClient extends SdkClient {
  pathUnchecked(path: string): { readonly get: Send; readonly put: Send };
}

type CreateRaw = (source: unknown, subscription: string, options: object) => RawClient;

/** Loads the part of `@azure/arm-compute` that sends any request. */
export async function loadRaw(): Promise<CreateRaw> {
  const module: unknown = await import('@azure/arm-compute/api');
  const create: unknown = isWireObject(module) ? module['createComputeManagement'] : undefined;
  if (isCreateRaw(create)) return create;
  throw new ImgkitError('PROTOCOL', '@azure/arm-compute/api has no createComputeManagement', {
    hint: 'Install the version of it that @imgkit/azure names in its package.json.',
  });
}

/** Reads or writes what the SDK for Compute has no method for. What isn't a success is thrown as the SDK throws its own. */
export async function sendRaw(
  client: RawClient,
  method: 'get' | 'put',
  path: string,
  {
    version,
    signal,
    body,
  }: CallOptions & { readonly version: string; readonly body?: WireObject | undefined },
): Promise<WireObject> {
  const answer = await client.pathUnchecked(path)[method]({
    queryParameters: { 'api-version': version },
    ...(body === undefined ? {} : { body, contentType: 'application/json' }),
    ...(signal === undefined ? {} : { abortSignal: signal }),
  });
  const status = Number(answer.status);
  if (status >= 200 && status < 300) return isWireObject(answer.body) ? answer.body : {};
  throw Object.assign(new Error(`Azure answered ${status}`), {
    name: 'RestError',
    statusCode: status,
    details: answer.body,
    response: { headers: answer.headers },
  });
}

function isCreateRaw(value: unknown): value is CreateRaw {
  return typeof value === 'function';
}
