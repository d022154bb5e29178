import type { CapabilityName } from '../../spec/provider.ts';
import type { Trial } from './trial.ts';
import type { ProviderWorld } from './world.ts';

/** One rule of the contract, or a few that are cheaper to check together. */
export interface ConformanceCase {
  /** What holds. */
  readonly title: string;
  /** What the provider must have for it. */
  readonly needs?: readonly CapabilityName[] | undefined;
  /** Why it doesn't apply to this provider; `undefined` when it does. */
  readonly unless?: ((world: ProviderWorld) => string | undefined) | undefined;
  /** Whether machines are launched. */
  readonly machines?: boolean | undefined;
  readonly run: (trial: Trial) => Promise<void>;
}

/** A group of rules. */
export interface ConformanceTopic {
  readonly name: string;
  readonly cases: readonly ConformanceCase[];
}
