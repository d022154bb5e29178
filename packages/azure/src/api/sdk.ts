import { ImgkitError } from '@imgkit/core';

import { isWireObject, type WireObject } from './wire.ts';

/** A request as the SDK sends it, as far as it is used. */
interface PipelineRequest {
  readonly url: string;
  readonly method: string;
  body?: unknown;
  readonly headers: { set(name: string, value: string): void };
}

/** An answer as the SDK gets it, as far as it is used. */
interface PipelineResponse {
  readonly status: number;
  readonly headers: { get(name: string): string | undefined };
  readonly bodyAsText?: string | null | undefined;
}

/** What stands between the SDK and the network. */
export interface PipelinePolicy {
  readonly name: string;
  sendRequest(
    request: PipelineRequest,
    next: (request: PipelineRequest) => Promise<PipelineResponse>,
  ): Promise<PipelineResponse>;
}

/** One of the SDK's clients, as far as it is used. */
export interface SdkClient {
  readonly pipeline: {
    removePolicy(which: { readonly name: string }): unknown;
    addPolicy(policy: PipelinePolicy, options?: object): void;
  };
}

/** A long operation of the SDK. */
export interface SdkPoller {
  readonly isDone: boolean;
  submitted(): Promise<void>;
  serialize(): Promise<string>;
  poll(options?: object): Promise<unknown>;
}

/** The function of the SDK that goes on with an operation. */
export type RestorePoller = (
  client: SdkClient,
  state: string,
  operation: unknown,
  options?: object,
) => SdkPoller;

type SdkConstructor = new (...parts: readonly unknown[]) => SdkClient;

/** Loads `@azure/arm-compute`: a fifth of a second, and 27 MB. */
export async function loadCompute(): Promise<{
  readonly Client: SdkConstructor;
  readonly restorePoller: RestorePoller;
}> {
  const module: unknown = await import('@azure/arm-compute');
  const restorePoller: unknown = isWireObject(module) ? module['restorePoller'] : undefined;
  if (!isRestorePoller(restorePoller)) throw missing('arm-compute', 'restorePoller');
  return { Client: constructorOf(module, 'arm-compute', 'ComputeManagementClient'), restorePoller };
}

/** Loads `@azure/arm-authorization`. */
export async function loadAuthorization(): Promise<SdkConstructor> {
  const module: unknown = await import('@azure/arm-authorization');
  return constructorOf(module, 'arm-authorization', 'AuthorizationManagementClient');
}

/** Calls a method of a group of operations: `galleryImages`, `get`. */
export function invoke(
  client: SdkClient,
  group: string,
  method: string,
  ...parts: readonly unknown[]
): unknown {
  const operations: unknown = Reflect.get(client, group);
  const found = isWireObject(operations) ? operations[method] : undefined;
  if (typeof found !== 'function') throw missing('arm-compute', `${group}.${method}`);
  const result: unknown = Reflect.apply(found, operations, parts);
  return result;
}

/** A method of a group of operations, to be named to the SDK. */
export function methodOf(client: SdkClient, group: string, method: string): unknown {
  const operations: unknown = Reflect.get(client, group);
  return isWireObject(operations) ? operations[method] : undefined;
}

/** One page of a listing. */
export interface Page {
  readonly items: readonly WireObject[];
  /** Where the next page begins; nothing when there is none. */
  readonly next: string | undefined;
}

/** Asks for one page of what a listing of the SDK gave: the first, or that which another one named. */
export async function readPage(listing: unknown, continuationToken?: string): Promise<Page> {
  // Some listings have no pages.
  if (Array.isArray(listing)) return { items: listing.filter(isWireObject), next: undefined };
  const byPage: unknown = isWireObject(listing) ? listing['byPage'] : undefined;
  const settings = continuationToken === undefined ? {} : { continuationToken };
  const pages: unknown =
    typeof byPage === 'function' ? Reflect.apply(byPage, listing, [settings]) : undefined;
  if (!isAsyncIterable(pages)) throw missing('arm-compute', 'byPage');
  const { value, done } = await pages[Symbol.asyncIterator]().next();
  if (done === true || !Array.isArray(value)) return { items: [], next: undefined };
  const next: unknown = Reflect.get(value, 'continuationToken');
  return {
    items: value.filter(isWireObject),
    next: typeof next === 'string' && next !== '' ? next : undefined,
  };
}

function constructorOf(module: unknown, library: string, name: string): SdkConstructor {
  const found: unknown = isWireObject(module) ? module[name] : undefined;
  if (isConstructor(found)) return found;
  throw missing(library, name);
}

function missing(library: string, name: string): ImgkitError {
  return new ImgkitError('PROTOCOL', `@azure/${library} has no ${name}`, {
    hint: 'Install the version of it that @imgkit/azure names in its package.json.',
  });
}

function isConstructor(value: unknown): value is SdkConstructor {
  return typeof value === 'function';
}

function isRestorePoller(value: unknown): value is RestorePoller {
  return typeof value === 'function';
}

/** Whether what a method gave is a long operation. */
export function isPoller(value: unknown): value is SdkPoller {
  return isWireObject(value) && typeof value['submitted'] === 'function';
}

/** Whether what a method gave is a listing. */
export function isPaged(value: unknown): boolean {
  return isWireObject(value) && typeof value['byPage'] === 'function';
}

function isAsyncIterable(value: unknown): value is AsyncIterable<unknown> {
  return isWireObject(value) && typeof Reflect.get(value, Symbol.asyncIterator) === 'function';
}
