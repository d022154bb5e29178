import type { CallOptions } from './call-options.ts';
import type { DeprecationControl } from './capabilities/deprecation.ts';
import type { Disks } from './capabilities/disks.ts';
import type { Fleets } from './capabilities/fleets.ts';
import type { Images } from './capabilities/images.ts';
import type { Instances } from './capabilities/instances.ts';
import type { Limits } from './capabilities/limits.ts';
import type { MachineImages } from './capabilities/machine-images.ts';
import type { OwnedResources } from './capabilities/owned.ts';
import type { Publishing } from './capabilities/publishing.ts';
import type { Sharing } from './capabilities/sharing.ts';
import type { Snapshots } from './capabilities/snapshots.ts';
import type { Transfer } from './capabilities/transfer.ts';
import type { Usage } from './capabilities/usage.ts';
import type { WarmStarts } from './capabilities/warm-starts.ts';
import type { Operation } from './operation.ts';

/** What a provider may have beside images. The presence of the object is the declaration. */
export interface Capabilities {
  /** Sets the state of images. */
  readonly deprecation: DeprecationControl;
  /** Stages and publishes images. */
  readonly publishing: Publishing;
  /** Lets others use images. */
  readonly sharing: Sharing;
  /** Backs whole machines up. */
  readonly machineImages: MachineImages;
  /** Backs disks up. */
  readonly snapshots: Snapshots;
  /** Disks that stand by themselves. */
  readonly disks: Disks;
  /** Virtual machines. */
  readonly instances: Instances;
  /** Resumes machines instead of booting them. */
  readonly warmStarts: WarmStarts;
  /** Groups of machines. */
  readonly fleets: Fleets;
  /** Moves disk files in and out. */
  readonly transfer: Transfer;
  /** Tells who uses an image. */
  readonly usage: Usage;
  /** Tells what is allowed. */
  readonly limits: Limits;
}

/** The name of a capability. */
export type CapabilityName = keyof Capabilities;

/** Every {@link CapabilityName}. */
export const capabilityNames = [
  'deprecation',
  'publishing',
  'sharing',
  'machineImages',
  'snapshots',
  'disks',
  'instances',
  'warmStarts',
  'fleets',
  'transfer',
  'usage',
  'limits',
] as const satisfies readonly CapabilityName[];

/** A cloud behind the contract. */
export interface Provider extends Partial<Capabilities> {
  /** The version of this contract. */
  readonly specVersion: 'v1';
  /** The cloud: `gce`, `qemu`. */
  readonly kind: string;
  /** This instance of it: `prod`. */
  readonly name: string;
  /** The project (account, subscription, tenant) it works in. */
  readonly project: string;
  /** Its images. */
  readonly images: Images;
  /** All that carries imgkit's labels. */
  readonly owned: OwnedResources;

  /**
   * Checks, without creating anything, that the provider can work: credentials, tools, reachability.
   *
   * @throws {@link ImgkitError} with `UNAUTHENTICATED`, `PERMISSION_DENIED`, `FAILED_PRECONDITION` or
   *   `UNAVAILABLE`, and a hint.
   */
  check(options?: CallOptions): Promise<void>;

  /** Tells whether two ids name the same resource: some clouds differ in case or in form. */
  sameId(a: string, b: string): boolean;

  /**
   * Goes on waiting for an operation, of this or another process, from its token. What the operation
   * gives is what the call that started it gives.
   *
   * @throws {@link ImgkitError} with `INVALID_ARGUMENT` for a token that isn't one of this provider's,
   *   `NOT_FOUND` if the cloud no longer knows it.
   */
  resume(token: string, options?: CallOptions): Operation<unknown>;

  /** Frees connections and files. The provider isn't used afterwards. */
  dispose?(): Promise<void>;
}

/**
 * Tells whether a provider has a capability, and lets the compiler know.
 *
 * @example
 * ```ts
 * import { supports, type Provider } from '@imgkit/core';
 *
 * function canBoot(provider: Provider) {
 *   return supports(provider, 'instances') && provider.instances.traits.console;
 * }
 * ```
 */
export function supports<C extends CapabilityName>(
  provider: Provider,
  capability: C,
): provider is Provider & Pick<Capabilities, C> {
  return provider[capability] !== undefined;
}
