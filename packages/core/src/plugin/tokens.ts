import type { ServiceIdentifier } from 'inversify';
import type { Clock, Engine } from '../engine/index.ts';
import type { Imgkit } from '../imgkit.ts';
import type { Logger } from '../logger.ts';
import type { Images } from '../spec/capabilities/images.ts';
import type { OwnedResources } from '../spec/capabilities/owned.ts';
import type { Capabilities, Provider } from '../spec/provider.ts';
import type { Retrier } from './retrier.ts';

/** What a provider is beside its capabilities: the project it works in, and how to reach it. */
export type Connection = Pick<Provider, 'project' | 'check' | 'sameId' | 'resume' | 'dispose'>;

/** What a plugin binds: images, owned and connection always, the others as far as the cloud has them. */
export interface ProviderParts extends Capabilities {
  readonly images: Images;
  readonly owned: OwnedResources;
  readonly connection: Connection;
}

/** What core binds above every plugin, for injection. */
export interface CoreParts {
  readonly logger: Logger;
  readonly clock: Clock;
  readonly engine: Engine;
  /** Repeats cloud calls that may succeed on the next try. */
  readonly retrier: Retrier;
  /** The directory in which the kit keeps its state; a plugin keeps its own in a subdirectory. */
  readonly stateDirectory: string;
  /** The name of this instance of the plugin. */
  readonly providerName: string;
  /** The kit itself, in an application's own container; not bound for plugins. */
  readonly imgkit: Imgkit;
}

/** The service identifiers of all parts, by the name of the part. */
export type Tokens = {
  readonly [P in keyof (ProviderParts & CoreParts)]: ServiceIdentifier<
    (ProviderParts & CoreParts)[P]
  >;
};

/**
 * The service identifiers for inversify. Each is `Symbol.for('@imgkit/<Interface>')`, so that a plugin that
 * brought its own copy of core, or of inversify, means the same.
 *
 * @example
 * ```ts
 * import { tokens, type Logger } from '@imgkit/core';
 * import { ContainerModule } from 'inversify';
 *
 * const quiet: Logger = { debug() {}, info() {}, warn() {}, error: console.error };
 *
 * // Rebinds one piece of one provider.
 * export const overrides = new ContainerModule(({ bind }) => {
 *   bind(tokens.logger).toConstantValue(quiet);
 * });
 * ```
 */
export const tokens: Tokens = {
  images: Symbol.for('@imgkit/Images'),
  owned: Symbol.for('@imgkit/OwnedResources'),
  connection: Symbol.for('@imgkit/Connection'),
  deprecation: Symbol.for('@imgkit/DeprecationControl'),
  publishing: Symbol.for('@imgkit/Publishing'),
  sharing: Symbol.for('@imgkit/Sharing'),
  machineImages: Symbol.for('@imgkit/MachineImages'),
  snapshots: Symbol.for('@imgkit/Snapshots'),
  disks: Symbol.for('@imgkit/Disks'),
  instances: Symbol.for('@imgkit/Instances'),
  warmStarts: Symbol.for('@imgkit/WarmStarts'),
  fleets: Symbol.for('@imgkit/Fleets'),
  transfer: Symbol.for('@imgkit/Transfer'),
  usage: Symbol.for('@imgkit/Usage'),
  limits: Symbol.for('@imgkit/Limits'),
  logger: Symbol.for('@imgkit/Logger'),
  clock: Symbol.for('@imgkit/Clock'),
  engine: Symbol.for('@imgkit/Engine'),
  retrier: Symbol.for('@imgkit/Retrier'),
  stateDirectory: Symbol.for('@imgkit/StateDirectory'),
  providerName: Symbol.for('@imgkit/ProviderName'),
  imgkit: Symbol.for('@imgkit/Imgkit'),
};
