import { ownedResources, type Clock, type ProviderParts, type Retrier } from '@imgkit/core';

import { AutoScaleFleets } from './auto-scale/auto-scale-fleets.ts';
import { LaunchMemory } from './auto-scale/launch-memory.ts';
import { ImageExports } from './classic/image-exports.ts';
import { ImageImports } from './classic/image-imports.ts';
import { ClassicImageSchedules } from './classic/image-schedules.ts';
import { imagesAndTransfers } from './classic/images-and-transfers.ts';
import { autoScaleType, connect } from './client.ts';
import { cloudSettings } from './configuration/cloud-settings.ts';
import { RackspaceDeprecation } from './deprecation.ts';
import { RackspaceDisks } from './disks.ts';
import { located } from './errors.ts';
import { RackspaceFleets } from './fleets.ts';
import { RackspaceImages } from './images.ts';
import { RackspaceInstances } from './instances.ts';
import { Accessories } from './instances/accessories.ts';
import { RackspaceLimits } from './limits.ts';
import { RackspaceMachineImages } from './machine-images.ts';
import type { RackspaceOptions } from './options.ts';
import { RackspacePublishing } from './publishing.ts';
import { CloudContext } from './resources/context.ts';
import { RackspaceSharing } from './sharing.ts';
import { RackspaceSnapshots } from './snapshots.ts';
import { RackspaceTransfer } from './transfer.ts';
import { RackspaceUsage } from './usage.ts';

/** What of the contract this provider has. */
export const capabilities = [
  'deprecation',
  'publishing',
  'sharing',
  'machineImages',
  'snapshots',
  'disks',
  'instances',
  'fleets',
  'transfer',
  'usage',
  'limits',
] as const;

/** The parts of this provider; without volumes where its cloud has none. */
export type RackspaceParts = Pick<ProviderParts, 'images' | 'owned' | 'connection'> &
  Partial<Pick<ProviderParts, (typeof capabilities)[number]>>;

/** What the kit gives. */
export interface KitParts {
  readonly retrier: Retrier;
  readonly clock: Clock;
}

/**
 * Puts one provider together. The cloud is asked for the id of the project, which images belong to and are
 * shared with, and for what services it has: a capability that it lacks isn't there.
 */
export async function createParts(
  provider: string,
  options: RackspaceOptions,
  { retrier, clock }: KitParts,
): Promise<RackspaceParts> {
  try {
    const settings = await cloudSettings(options);
    const client = connect(settings, retrier);
    const project = settings.project?.id ?? (await client.project());
    const { classic } = client;
    const { container = 'imgkit' } = options;
    const imports = classic && new ImageImports({ provider, container, ...classic });
    const exports = classic && new ImageExports({ container, ...classic });
    const context = new CloudContext({ provider, project, client, clock, imports, exports });
    const schedules = classic && new ClassicImageSchedules(context, classic.schedules);
    const hasVolumes = await client.offers('block-storage');
    const images = new RackspaceImages(context, hasVolumes, schedules);
    const instances = new RackspaceInstances(context);
    const volumes = hasVolumes
      ? { disks: new RackspaceDisks(context), snapshots: new RackspaceSnapshots(context) }
      : undefined;
    // The classic cloud takes no images without data, which fleets are written down as elsewhere.
    const fleets =
      classic === undefined
        ? new RackspaceFleets(context)
        : (await client.offers(autoScaleType))
          ? new AutoScaleFleets(context, classic.scale, new LaunchMemory(classic.swift, container))
          : undefined;
    const machineImages = new RackspaceMachineImages(context, hasVolumes);
    return {
      images,
      ...(fleets && { fleets }),
      machineImages,
      ...volumes,
      instances,
      deprecation: new RackspaceDeprecation(context),
      publishing: new RackspacePublishing(context),
      sharing: new RackspaceSharing(context, options.everyone ?? 'community'),
      transfer: new RackspaceTransfer(context),
      usage: new RackspaceUsage(context, fleets),
      limits: new RackspaceLimits(context, settings.identityVersion === '2.0'),
      owned: ownedResources(provider, {
        ...(fleets && { fleet: fleets }),
        instance: instances,
        accessory: new Accessories(context),
        'machine-image': machineImages,
        ...(volumes && { disk: volumes.disks, snapshot: volumes.snapshots }),
        image: imagesAndTransfers(context, images, context),
      }),
      connection: {
        project,
        check: (given) =>
          context.call('check', undefined, given, async () => {
            await client.project(given);
            await client.glance.page(new URLSearchParams({ limit: '1' }), given);
          }),
        sameId: (a, b) => a.toLowerCase() === b.toLowerCase(),
        resume: (token, given) => context.resume(token, given),
      },
    };
  } catch (error) {
    throw located(error, { provider, operation: 'connect', resource: undefined });
  }
}
