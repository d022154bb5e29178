import type { CreateImageRequest, Deprecation, Labels } from '@imgkit/core';

import { object, objects, text, type WireObject } from '../api/wire.ts';
import type { AzureContext } from '../context.ts';
import type { Standalone } from './definitions.ts';
import { invalid, type AzureImageOptions } from '../images/image-request.ts';
import { deprecationTags } from '../mapping.ts';
import { plainRegions, wireRegion } from './target-regions.ts';
import { toTags } from '../resources/tags.ts';

/** What is kept of a machine in the tags of its machine image. */
export interface HeldInTags {
  readonly note: string;
  readonly metadata: Labels;
}

/** What a version is that is in no family. */
export function standaloneOf(
  family: string | undefined,
  machine: HeldInTags | undefined,
): Standalone | undefined {
  if (machine !== undefined) return 'machine-image';
  return family === undefined ? 'true' : undefined;
}

/**
 * What a new version is, but what it is made of. Everything that newer versions of Azure's API decide differently
 * is said outright.
 *
 * @param made - `key`: the digest of the key it is made with. `size`: the size of its disk in bytes, where that is
 *   known. `origin`: the image it is made of, where Azure doesn't keep that. `machine`: of a machine image, what is kept of
 *   the machine.
 */
export function versionBody(
  context: AzureContext,
  request: CreateImageRequest,
  options: AzureImageOptions,
  {
    key,
    size,
    origin,
    machine,
  }: {
    readonly key: string;
    readonly size?: number | undefined;
    readonly origin?: string | undefined;
    readonly machine?: HeldInTags | undefined;
  },
): WireObject {
  const { name, family, version, staged, description, labels, deprecation } = request;
  const published = family !== undefined && staged !== true;
  const {
    replicaCount = 1,
    storageAccountType = 'Standard_LRS',
    replicationMode = 'Full',
  } = options;
  const own = {
    name,
    key,
    origin,
    version,
    description,
    size: size === undefined ? undefined : String(size),
    standalone: standaloneOf(family, machine),
    published: published ? context.now() : undefined,
    ...(deprecation === undefined
      ? {}
      : deprecationTags(deprecation, context.provider, context.gallery)),
  };
  const tags = toTags(labels, own, machine?.metadata, machine?.note);
  return {
    location: context.settings.location,
    tags,
    publishingProfile: {
      targetRegions: targetRegions(context, options),
      replicaCount,
      storageAccountType,
      replicationMode,
      ...lifeOf(context, published, deprecation),
    },
    safetyProfile: {
      allowDeletionOfReplicatedLocations: true,
      blockDeletionBeforeEndOfLife: options.blockDeletionBeforeEndOfLife ?? false,
    },
  };
}

/**
 * What Azure itself knows of a state: whether a version can be the latest, and the end of its life, which is when
 * it is to be OBSOLETE, and informs only.
 */
export function lifeOf(
  context: Pick<AzureContext, 'now'>,
  published: boolean,
  { state, dates }: Deprecation = { state: 'ACTIVE' },
): { readonly excludeFromLatest: boolean; readonly endOfLifeDate: Date | null } {
  const withdrawn = state === 'OBSOLETE' || state === 'DELETED';
  const end = dates?.obsolete ?? (withdrawn ? context.now() : undefined);
  return {
    excludeFromLatest: !published || state !== 'ACTIVE',
    endOfLifeDate: end === undefined ? null : new Date(end),
  };
}

function targetRegions(
  { settings }: AzureContext,
  options: AzureImageOptions,
): readonly WireObject[] {
  const wanted = plainRegions(options.targetRegions ?? settings.targetRegions);
  const names = wanted.map(({ name }) => name);
  if (!names.includes(settings.location))
    throw invalid(
      `the target regions lack "${settings.location}", where the provider works`,
      'Azure keeps every version in its own location, too: name it.',
    );
  if (options.replicationMode === 'Shallow' && names.length > 1)
    throw invalid(
      `a shallow version is in ${settings.location} only, not in ${names.join(', ')}`,
      'Name no other target region, or replicate it in full.',
    );
  return wanted.map((region) => wireRegion(region, options));
}

/** The names of the regions that a new version goes to. */
export function targetRegionNames(body: WireObject): readonly string[] {
  return objects(object(body, 'publishingProfile'), 'targetRegions').flatMap(
    (region) => text(region, 'name') ?? [],
  );
}
