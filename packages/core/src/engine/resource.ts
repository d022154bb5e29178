import type { CallOptions } from '../spec/call-options.ts';
import type { OwnedKind, OwnedResource } from '../spec/capabilities/owned.ts';
import type { Labels, ownershipLabels } from '../spec/labels.ts';
import type { StepContext } from './workflow.ts';

/**
 * The labels that every resource made by a run carries: `imgkit-run` (see {@link RunInfo.label}), `imgkit-owner`
 * (see {@link Engine.owner}), `imgkit-expires` (seconds since the epoch) and `imgkit-step`. The values are lower-case
 * letters, digits and dashes, at most 63, which every cloud allows.
 */
export type ResourceLabels = Readonly<
  Record<(typeof ownershipLabels)[keyof typeof ownershipLabels], string>
>;

/** What a resource's `create` gets. */
export interface CreateContext extends StepContext {
  /** Must be on the resource from its first moment; they are how it is found when its id was lost. */
  readonly labels: ResourceLabels;
}

/** Something that can be made and must be removed again. */
export interface Resource<T extends { readonly id: string } = { readonly id: string }> {
  /** The name of the provider that makes it, for example `prod`. */
  readonly provider: string;
  readonly kind: OwnedKind;
  /**
   * Makes it, or finds what an earlier attempt with the same token made.
   *
   * @returns Its id as the provider's `owned` capability knows it, and what else the workflow wants to remember; small plain data.
   */
  create(context: CreateContext): Promise<T>;
}

/** A resource that a run has made. */
export interface Acquired<T extends { readonly id: string } = { readonly id: string }> {
  /** The key of its ledger entry: the token it was made with. */
  readonly token: string;
  readonly provider: string;
  readonly kind: OwnedKind;
  readonly id: string;
  /** What `create` returned. */
  readonly value: T;
}

/**
 * - `intent`: its creation may have begun; whether it exists must be looked up.
 * - `created`: it exists and is to be removed.
 * - `kept`: it exists and stays.
 * - `deleted`: it was removed, or was never there.
 */
export type LedgerState = 'intent' | 'created' | 'kept' | 'deleted';

/** One line of the ledger: a resource, from before it exists until it is gone. It outlives the workflow's code. */
export interface LedgerEntry {
  /** The token given to its creation; unique. */
  readonly token: string;
  readonly rootId: string;
  readonly runId: string;
  readonly step: string;
  readonly provider: string;
  readonly kind: OwnedKind;
  /** Unknown while the state is `intent`. */
  readonly id: string | undefined;
  readonly state: LedgerState;
  readonly keepOnSuccess: boolean;
  readonly labels: ResourceLabels;
  /** Why it is still there, when its removal was tried and failed. */
  readonly leftReason: string | undefined;
  /** When the intent was written, in milliseconds since the epoch. */
  readonly createdAt: number;
}

/** How the engine removes what runs have made, without their code: bound to the providers' `owned` capabilities. */
export interface ResourceRemover {
  /** Removes a resource and waits until it is gone. One that is already gone is a success. */
  remove(resource: RemovableResource, options?: CallOptions): Promise<void>;
  /** The id of the resource that was made with this entry's token and labels; `undefined` when there surely is none. */
  find(entry: LedgerEntry, options?: CallOptions): Promise<string | undefined>;
  /** All resources that carry all of `labels` with exactly these values, of one provider or of all. */
  listOwned(
    filter: { readonly provider?: string | undefined; readonly labels: Labels },
    options?: CallOptions,
  ): AsyncIterable<RemovableResource & OwnedResource>;
}

/** What is needed to remove a resource. */
export interface RemovableResource {
  /** The provider's name. */
  readonly provider: string;
  readonly kind: OwnedKind;
  readonly id: string;
}
