import {
  ownedResources,
  type CallOptions,
  type Clock,
  type Logger,
  type ProviderParts,
  type Retrier,
} from '@imgkit/core';

import { Credentials } from './api/credentials.ts';
import { GoogleClient } from './api/google-client.ts';
import { listenTo } from './api/sdk-calls.ts';
import type { GceClient } from './client.ts';
import { GceContext } from './context.ts';
import { GceDeprecation } from './deprecation.ts';
import { GceDisks } from './disks.ts';
import { GceFleets } from './fleets.ts';
import { GceImages } from './images.ts';
import { GceInstances } from './instances.ts';
import { GceLimits } from './limits.ts';
import { GceMachineImages } from './machine-images.ts';
import { GcePublishing } from './publishing.ts';
import { ProjectPolicy } from './sharing/project-policy.ts';
import { sameId } from './resources/resource-id.ts';
import type { GceSettings } from './settings.ts';
import { GceSharing } from './sharing.ts';
import { GceSnapshots } from './snapshots.ts';
import { RateThrottle } from './throttle/throttle.ts';
import { BucketUploads } from './transfer/bucket-uploads.ts';
import { imagesAndUploads } from './transfer/uploaded-objects.ts';
import { GceTransfer } from './transfer.ts';
import { GceUsage } from './usage.ts';

/** What core gives a provider to work with. */
export interface GceSurroundings {
  /** The provider's name. */
  readonly name: string;
  readonly retrier: Retrier;
  readonly clock: Clock;
  readonly logger: Logger;
}

/** What of the contract this provider has. */
export type GceParts = Pick<
  ProviderParts,
  | 'images'
  | 'owned'
  | 'connection'
  | 'deprecation'
  | 'publishing'
  | 'sharing'
  | 'disks'
  | 'snapshots'
  | 'instances'
  | 'machineImages'
  | 'fleets'
  | 'transfer'
  | 'usage'
  | 'limits'
>;

/** The names of all parts. */
export const partNames = [
  'images',
  'owned',
  'connection',
  'deprecation',
  'publishing',
  'sharing',
  'disks',
  'snapshots',
  'instances',
  'machineImages',
  'fleets',
  'transfer',
  'usage',
  'limits',
] as const satisfies readonly (keyof GceParts)[];

/** Who the provider is to Google. */
export function createCredentials(settings: GceSettings): Credentials {
  const { credentials, project, universeDomain, tried } = settings;
  return new Credentials({ credentials, project, universeDomain, tried, onHeaders: listenTo });
}

/** Google's own client, throttled. Nothing of it is loaded yet. */
export function createClient(
  settings: GceSettings,
  credentials: Credentials,
  { retrier, clock, logger }: GceSurroundings,
): GceClient {
  const { endpoint, universeDomain } = settings;
  const throttle = new RateThrottle({ clock });
  return new GoogleClient({
    credentials,
    endpoint,
    universeDomain,
    retrier,
    throttle,
    clock,
    logger,
  });
}

/** Puts one provider together. Nobody is asked yet. */
export function createParts(
  settings: GceSettings,
  client: GceClient,
  credentials: Credentials,
  { name, retrier, clock, logger }: GceSurroundings,
): GceParts {
  const { project, zone, region, bucket, universeDomain, storageEndpoint: endpoint } = settings;
  const context = new GceContext({ provider: name, project, client, logger, clock, zone, region });
  const uploads =
    bucket === undefined
      ? undefined
      : new BucketUploads({ credentials, project, bucket, endpoint, universeDomain });
  const { shareBy, endpoint: compute } = settings;
  const policy =
    shareBy === 'project'
      ? new ProjectPolicy({ credentials, project, endpoint: compute, universeDomain, retrier })
      : undefined;
  const images = new GceImages(context, uploads);
  const fleets = new GceFleets(context);
  const disks = new GceDisks(context);
  const snapshots = new GceSnapshots(context);
  const instances = new GceInstances(context, settings);
  const machineImages = new GceMachineImages(context);
  return {
    images,
    disks,
    snapshots,
    instances,
    machineImages,
    fleets,
    transfer: new GceTransfer(context, images),
    usage: new GceUsage(context),
    limits: new GceLimits(context),
    deprecation: new GceDeprecation(context),
    publishing: new GcePublishing(context),
    sharing: new GceSharing(context, policy),
    owned: ownedResources(name, {
      fleet: {
        list: ({ labels }, options) => fleets.listOwned(labels, options),
        delete: (id, options) => fleets.delete(id, options),
      },
      instance: instances,
      disk: disks,
      'machine-image': machineImages,
      snapshot: snapshots,
      image: imagesAndUploads(context, images, uploads),
    }),
    connection: {
      project,
      check: (options?: CallOptions) =>
        context.call('check', project, options, async () => {
          await client.read({ service: 'projects', method: 'get', request: { project } }, options);
        }),
      sameId,
      resume: (token, options) => context.resume(token, options),
      dispose: () => client.close(),
    },
  };
}
