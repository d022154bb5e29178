import { ImgkitError, type CallOptions } from '@imgkit/core';

import { flag, object, objects, text, type WireObject } from '../api/wire.ts';
import type { AzureContext } from '../context.ts';
import { ended } from '../versions/definitions.ts';
import { formatId, type ResourceId } from '../resources/resource-id.ts';

/** How a gallery is shared beside roles. */
export interface GalleryProfile {
  readonly id: string;
  /** How it can be shared; decided when the gallery is made. */
  readonly permissions: 'Private' | 'Groups' | 'Community';
  /** The subscriptions and tenants that it is shared with, in lower case. */
  readonly subscriptions: readonly string[];
  readonly tenants: readonly string[];
  /** Whether everybody may use it. */
  readonly open: boolean;
  /** The name that others know it by: the public one of a community gallery, else the unique one. */
  readonly name: string | undefined;
  /** How far the last change of its sharing is, in each region. */
  readonly status: readonly WireObject[];
  readonly settled: boolean;
}

/** Reads how a gallery is shared: Azure tells only when it is asked to. */
export async function readProfile(
  { client }: AzureContext,
  gallery: ResourceId,
  options?: CallOptions,
): Promise<GalleryProfile> {
  const id = formatId(gallery);
  const native = await client.get(id, { ...options, expand: 'SharingProfile/Groups' });
  const profile = object(native, 'sharingProfile');
  const info = object(profile, 'communityGalleryInfo');
  const said = text(profile, 'permissions');
  const status = object(native, 'sharingStatus');
  const idsOf = (type: string): readonly string[] =>
    objects(profile, 'groups')
      .filter((group) => text(group, 'type') === type)
      .flatMap((group) => textsIn(group['ids']));
  const [publicName] = textsIn(info?.['publicNames'], false);
  return {
    id,
    permissions: said === 'Groups' || said === 'Community' ? said : 'Private',
    subscriptions: idsOf('Subscriptions'),
    tenants: idsOf('AADTenants'),
    open: flag(info, 'communityGalleryEnabled'),
    name: publicName ?? text(object(native, 'identifier'), 'uniqueName'),
    status: objects(status, 'summary'),
    settled: text(status, 'aggregatedState') !== 'InProgress',
  };
}

function textsIn(value: unknown, lower = true): readonly string[] {
  const all = Array.isArray(value) ? value.filter((one) => typeof one === 'string') : [];
  return lower ? all.map((one) => one.toLowerCase()) : all;
}

/** Changes how a gallery is shared that is made for that, and waits for it: 45 seconds are usual. */
export async function changeSharing(
  context: AzureContext,
  gallery: ResourceId,
  change: WireObject,
  options: CallOptions = {},
): Promise<void> {
  for (let attempt = 1; ; attempt += 1) {
    try {
      const { operation } = await context.client.act(formatId(gallery), 'share', change, options);
      return await ended(context, operation, options);
    } catch (error) {
      // Somebody else's change is going on: the gallery is made for this one, as was checked before.
      const busy =
        ImgkitError.is(error, 'FAILED_PRECONDITION') && error.providerCode === 'Conflict';
      if (!busy || attempt === 10) throw error;
      await context.clock.sleep(Math.min(200 * 2 ** attempt, 10_000), options.signal);
    }
  }
}

/**
 * Refuses to share a gallery in a way that it wasn't made for.
 *
 * @throws ImgkitError with `FAILED_PRECONDITION`.
 */
export function requirePermissions(
  { settings }: AzureContext,
  { id, permissions }: GalleryProfile,
  wanted: 'Groups' | 'Community',
): void {
  if (permissions === wanted) return;
  const { resourceGroup, location } = settings;
  const more =
    wanted === 'Groups'
      ? '--permissions groups'
      : '--permissions community --publisher-uri … --publisher-email … --eula … --public-name-prefix …';
  throw new ImgkitError(
    'FAILED_PRECONDITION',
    `the gallery ${id} was made to be ${permissions}, and that can't be changed afterwards`,
    {
      resource: id,
      hint: `Make another one: az sig create --resource-group ${resourceGroup} --gallery-name … --location ${location} ${more}. Or share by roles: azure({ shareBy: 'family' }).`,
    },
  );
}
