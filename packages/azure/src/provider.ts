import {
  ImgkitError,
  ownedResources,
  type CallOptions,
  type Clock,
  type Engine,
  type Logger,
  type ProviderParts,
  type Retrier,
} from '@imgkit/core';

import { SdkAzureClient } from './api/azure-client.ts';
import { createTokenSource } from './api/credentials.ts';
import type { AzureClient } from './client.ts';
import { AzureContext } from './context.ts';
import { AzureDeprecation } from './deprecation.ts';
import { AzureDisks } from './disks.ts';
import { AzureFleets } from './fleets.ts';
import { sameImageId } from './images/image-id.ts';
import { AzureImages } from './images.ts';
import { AzureInstances } from './instances.ts';
import { AzureLimits } from './limits.ts';
import { AzureMachineImages } from './machine-images.ts';
import { AzurePublishing } from './publishing.ts';
import { formatId } from './resources/resource-id.ts';
import { AzureUsage } from './usage.ts';
import type { AzureSettings } from './settings.ts';
import { AzureSharing } from './sharing.ts';
import { AzureSnapshots } from './snapshots.ts';
import { AzureTransfer } from './transfer.ts';
import { BlobContainer } from './transfer/blob-container.ts';
import { BlobUploads } from './transfer/blob-uploads.ts';
import { disksAndExports, imagesAndUploads } from './transfer/owned-transfers.ts';

/** What core gives a provider to work with. */
export interface AzureSurroundings {
  /** The provider's name. */
  readonly name: string;
  readonly retrier: Retrier;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly engine: Pick<Engine, 'owner'>;
}

/** The names of all parts. */
export const partNames = [
  'images',
  'owned',
  'connection',
  'deprecation',
  'publishing',
  'sharing',
  'disks',
  'instances',
  'snapshots',
  'machineImages',
  'fleets',
  'usage',
  'limits',
  'transfer',
] as const satisfies readonly (keyof ProviderParts)[];

/** What of the contract this provider has. */
export type AzureParts = Pick<ProviderParts, (typeof partNames)[number]>;

/** Azure's own client. Nothing of it is loaded yet. */
export function createClient(
  settings: AzureSettings,
  surroundings: AzureSurroundings,
): AzureClient {
  return new SdkAzureClient(settings, surroundings);
}

/** Puts one provider together. Nothing is called yet. */
export function createParts(
  settings: AzureSettings,
  client: AzureClient,
  { name: provider, clock, logger, retrier, engine }: AzureSurroundings,
): AzureParts {
  const uploads = createUploads(settings, retrier);
  const owner = (): Promise<string> => engine.owner();
  const context = new AzureContext({ provider, settings, client, clock, logger, owner, uploads });
  const images = new AzureImages(context);
  const disks = new AzureDisks(context);
  const snapshots = new AzureSnapshots(context);
  const instances = new AzureInstances(context);
  const fleets = new AzureFleets(context);
  const machineImages = new AzureMachineImages(context);
  return {
    images,
    disks,
    snapshots,
    instances,
    fleets,
    machineImages,
    usage: new AzureUsage(context),
    deprecation: new AzureDeprecation(context),
    publishing: new AzurePublishing(context),
    sharing: new AzureSharing(context),
    limits: new AzureLimits(context),
    transfer: new AzureTransfer(context, images, retrier),
    owned: ownedResources(provider, {
      instance: instances,
      disk: disksAndExports(context, disks),
      snapshot: snapshots,
      image: imagesAndUploads(context, images),
      'machine-image': machineImages,
      fleet: {
        list: ({ labels }, options) => fleets.listOwned(labels, options),
        delete: (id, options) => fleets.delete(id, options),
      },
    }),
    connection: {
      project: settings.subscription,
      check: (options) => checkGallery(context, options),
      sameId: sameImageId,
      resume: (token, options) => context.resume(token, options),
    },
  };
}

function createUploads(settings: AzureSettings, retrier: Retrier): BlobUploads | undefined {
  const { storage } = settings;
  if (storage === undefined) return undefined;
  const tokens = () => createTokenSource(settings);
  return new BlobUploads({ storage, container: new BlobContainer({ storage, retrier, tokens }) });
}

/** Checks that the gallery is there and may be read. */
async function checkGallery(context: AzureContext, options?: CallOptions): Promise<void> {
  const id = formatId(context.gallery);
  await context.call('check', id, options, async () => {
    try {
      await context.client.get(id, options);
    } catch (error) {
      if (!ImgkitError.is(error, 'NOT_FOUND')) throw error;
      const { resourceGroup, gallery, location } = context.settings;
      throw new ImgkitError('FAILED_PRECONDITION', `there is no Compute Gallery ${id}`, {
        hint: `Make it: az sig create --resource-group ${resourceGroup} --gallery-name ${gallery} --location ${location}`,
        providerCode: error.providerCode,
        requestId: error.requestId,
        cause: error,
      });
    }
  });
}
