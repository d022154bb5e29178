import type { CallOptions } from '../call-options.ts';

/** A documented limit of the cloud. */
export interface DocumentedLimit {
  /** What is limited, for example `images per project`. */
  readonly name: string;
  /** How much is allowed. */
  readonly value: number;
  /** Over what time, in milliseconds, when it is a rate. */
  readonly perMs?: number | undefined;
  /** Where the cloud says so. */
  readonly source: string;
}

/** A quota as the cloud tells it now. */
export interface Quota {
  readonly name: string;
  readonly limit: number;
  readonly used: number;
  /** The unit of both, for example `bytes` or `instances`. */
  readonly unit: string;
}

/** What the provider allows. */
export interface Limits {
  /** The documented limits. */
  readonly documented: readonly DocumentedLimit[];
  /** Asks the provider for its quotas of now; empty where it tells none. */
  quotas(options?: CallOptions): Promise<readonly Quota[]>;
}
