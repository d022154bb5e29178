import type { CallOptions } from '@imgkit/core';

import type { WireObject, WireRequest } from './api/wire.ts';

/** The services of the API that are used, in its own names. */
export type ApiService =
  | 'disks'
  | 'firewalls'
  | 'globalOperations'
  | 'imageFamilyViews'
  | 'images'
  | 'instanceGroupManagers'
  | 'instances'
  | 'instanceTemplates'
  | 'machineImages'
  | 'machineTypes'
  | 'networks'
  | 'projects'
  | 'regionDisks'
  | 'regionInstanceGroupManagers'
  | 'regionInstanceTemplates'
  | 'regionOperations'
  | 'regions'
  | 'snapshots'
  | 'subnetworks'
  | 'zoneOperations'
  | 'zones';

/** One call of the API. */
export interface ApiCall {
  readonly service: ApiService;
  /** The method, in the API's own name: `get`, `getFromFamily`, `setLabels`. */
  readonly method: string;
  /** The fields of the request: those of the path, of the query, and the body under `…Resource`. */
  readonly request: WireRequest;
}

/** A listing; `request.maxResults` is the size of its pages. */
export interface ListCall extends ApiCall {
  /** The method; `list` by default. `aggregatedList` goes over all zones or regions. */
  readonly method: string;
}

/** A call that changes something and is answered with an operation. */
export interface MutationCall extends ApiCall {
  /** What is changed or made, for messages: its id or name. It also tells the calls of one key apart. */
  readonly target: string;
  /**
   * The same key, target and method give the same `requestId`, in every process: Google carries such
   * a call out once within an hour. Without a key, only the repetitions of this one call share an id.
   */
  readonly key?: string | undefined;
  /** How often what this key made before has failed or gone: each gives another `requestId`. */
  readonly generation?: number | undefined;
}

/** Something the API warns of beside its answer, for example that a zone couldn't be asked. */
export interface ApiWarning {
  /** Google's code: `UNREACHABLE`, `DEPRECATED_RESOURCE_USED`. */
  readonly code: string;
  readonly message: string;
  /** Where, for an aggregated list: `zones/us-central1-a`. */
  readonly scope?: string | undefined;
}

/** One page of a listing. */
export interface Page {
  readonly items: readonly WireObject[];
  /** What isn't in the page, and why. */
  readonly warnings: readonly ApiWarning[];
}

/** Names an operation of the cloud; small, and plain data. */
export interface OperationName {
  readonly project: string;
  /** Where it runs: `global`, `zones/us-central1-a`, `regions/us-central1`. */
  readonly scope: string;
  readonly name: string;
}

/** An operation of the cloud as it was seen last. */
export interface CloudOperation extends OperationName {
  /** Whether it has ended, well or badly. */
  readonly done: boolean;
  /** How far it is, from 0 to 100. */
  readonly progress: number;
  /** The id of what it works on: `projects/acme/global/images/web-1`. */
  readonly target: string | undefined;
  readonly warnings: readonly ApiWarning[];
  /** What Google gave; `error` is in it when it has failed. */
  readonly native: WireObject;
}

/** How an operation is waited for. */
export interface WaitOptions extends CallOptions {
  /** Is told how far the operation is, from 0 to 100, each time it is seen. */
  readonly onProgress?: ((percent: number) => void) | undefined;
}

/**
 * The calls of Google's API that the provider makes. Every capability goes through it; the default one is
 * Google's own client, loaded at first use. Whatever it throws is an ImgkitError without provider and operation.
 *
 * Reads, and changes that are safe to repeat, are repeated by imgkit's own policy after 429, 5xx, lost
 * connections, and Google's own signs that the same call works later; nothing is repeated by the SDK.
 */
export interface GceClient {
  /** Makes a call that changes nothing. */
  read(call: ApiCall, options?: CallOptions): Promise<WireObject>;

  /** Lists page by page, as they are asked for. What it is warned of goes to the logger too. */
  pages(call: ListCall, options?: CallOptions): AsyncIterable<Page>;

  /** Makes a change that is answered at once, such as of an IAM policy. Made once unless it is `repeatable`. */
  write(
    call: ApiCall & { readonly repeatable: boolean },
    options?: CallOptions,
  ): Promise<WireObject>;

  /**
   * Starts a change. Once it is on its way, aborting waits for the answer: only so can be said whether
   * it takes place.
   */
  start(call: MutationCall, options?: CallOptions): Promise<CloudOperation>;

  /**
   * Waits until an operation is done.
   *
   * @throws ImgkitError with what made it fail; the signal's abort as `CANCELLED`, while the cloud goes on.
   */
  wait(operation: OperationName, options?: WaitOptions): Promise<CloudOperation>;

  /** Frees the connections. */
  close(): Promise<void>;
}

/** A request as Google counts it. */
export interface CountedRequest {
  readonly service: ApiService;
  readonly method: string;
  /** The project whose quota it counts against. */
  readonly project: string;
  /** The region, of a zonal or regional method. */
  readonly region?: string | undefined;
}

/** Keeps the requests below Google's rates. */
export interface Throttle {
  /** Resolves when the request may be made; rejects with the signal's reason. */
  enter(request: CountedRequest, options?: CallOptions): Promise<void>;
  /** Is told when Google refused a request because of its rate, and how long it asks to wait. */
  refused(request: CountedRequest, retryAfterMs?: number): void;
}

/** Lets every request through at once. */
export const unthrottled: Throttle = { enter: () => Promise.resolve(), refused: () => undefined };
