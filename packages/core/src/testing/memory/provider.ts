import { ImgkitError } from '../../spec/errors.ts';
import type { Capabilities, CapabilityName, Provider } from '../../spec/provider.ts';
import { CloudState, memoryCloud, type MemoryCloud } from './cloud.ts';
import { MemoryContext } from './context.ts';
import { notFound } from './creation.ts';
import { memoryDeprecation } from './deprecation.ts';
import { memoryDisks } from './disks.ts';
import { memoryFleets } from './fleets.ts';
import { memoryImages } from './images.ts';
import { memoryInstances } from './instances.ts';
import { memoryLimits } from './limits.ts';
import { memoryMachineImages } from './machine-images.ts';
import { memoryOwned } from './owned.ts';
import { memoryPublishing } from './publishing.ts';
import { memorySharing } from './sharing.ts';
import { memorySnapshots } from './snapshots.ts';
import { memoryTransfer } from './transfer.ts';
import { memoryUsage } from './usage.ts';
import { memoryWarmStarts } from './warm-starts.ts';

/** Which provider to make on a memory cloud. */
export interface MemoryProviderOptions {
  /** Its name; `memory` by default. */
  readonly name?: string | undefined;
  /** The project it works in; `default` by default. */
  readonly project?: string | undefined;
  /** The cloud; an empty one of its own by default. */
  readonly cloud?: MemoryCloud | undefined;
}

/** A provider with every capability. */
export type MemoryProvider = Provider & Capabilities;

/**
 * Makes a provider with every capability whose cloud is in memory: for the tests of what uses
 * imgkit. It keeps every rule of the contract; it boots nothing and stores no more than it is given.
 *
 * Providers of several projects on one {@link MemoryCloud} share images with each other.
 *
 * @example
 * ```ts
 * import { createMemoryProvider, memoryCloud } from '@imgkit/core/testing';
 *
 * const cloud = memoryCloud();
 * const provider = createMemoryProvider({ cloud });
 * const disk = await provider.disks.create({ name: 'root-1', sizeBytes: 1_048_576 });
 * const image = await provider.images.create({
 *   name: 'web-1',
 *   source: { kind: 'disk', disk: disk.id },
 *   family: 'web',
 *   staged: true,
 * });
 * await provider.publishing.publish(image.ref.id, { family: 'web' });
 * ```
 */
export function createMemoryProvider(options: MemoryProviderOptions = {}): MemoryProvider {
  const { name = 'memory', project = 'default', cloud = memoryCloud() } = options;
  if (!(cloud instanceof CloudState)) {
    throw new ImgkitError('INVALID_ARGUMENT', 'this is not a memory cloud', {
      hint: 'Make one with memoryCloud().',
    });
  }
  const context = new MemoryContext(cloud, name, project);
  return {
    specVersion: 'v1',
    kind: 'memory',
    name,
    project,
    images: memoryImages(context),
    deprecation: memoryDeprecation(context),
    publishing: memoryPublishing(context),
    sharing: memorySharing(context),
    machineImages: memoryMachineImages(context),
    snapshots: memorySnapshots(context),
    disks: memoryDisks(context),
    instances: memoryInstances(context),
    warmStarts: memoryWarmStarts(context),
    fleets: memoryFleets(context),
    transfer: memoryTransfer(context),
    usage: memoryUsage(context),
    limits: memoryLimits(context),
    owned: memoryOwned(context),
    check: (callOptions = {}) => context.call('check', undefined, callOptions, () => undefined),
    sameId: (a, b) => a === b,
    resume: (token, callOptions = {}) =>
      context.operation('resume', undefined, callOptions, () => {
        const job = findJob(context, token);
        return { job, value: () => job.value(context) };
      }),
  };
}

/**
 * Gives a provider without some of its capabilities, to test what happens then.
 */
export function withoutCapabilities(
  provider: Provider,
  ...left: readonly CapabilityName[]
): Provider {
  const rest = { ...provider };
  for (const capability of left) delete rest[capability];
  return rest;
}

function findJob({ cloud, project }: MemoryContext, token: string) {
  if (!/^memory\/[-0-9a-f]{36}\/[^/]+\/[^/]+\/\d+$/.test(token)) {
    throw new ImgkitError('INVALID_ARGUMENT', 'this is not a token of a memory cloud', {
      resource: token,
      hint: 'Use what operation.token() gave.',
    });
  }
  const job = cloud.jobs.get(token);
  if (job?.project === project) return job;
  throw notFound('operation', token);
}
