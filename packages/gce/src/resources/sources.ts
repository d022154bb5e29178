import { ImgkitError, type Architecture, type CallOptions, type ImageRef } from '@imgkit/core';

import { number, object, text, type WireObject } from '../api/wire.ts';
import type { GceContext } from '../context.ts';
import { gib, toArchitecture } from '../mapping.ts';
import { parseIdOf, shortId } from './resource-id.ts';

/** What is known of something that a disk is made of. */
export interface DiskContent {
  /** Its id, for the request. */
  readonly id: string;
  /** The size of the disk in it, in bytes; 0 when Google doesn't let us look. */
  readonly sizeBytes: number;
  readonly architecture: Architecture | undefined;
}

/**
 * An image that machines or disks are to be made of.
 *
 * @throws {@link ImgkitError} with `NOT_FOUND`, `IMAGE_OBSOLETE` or `IMAGE_DELETED` if it can't be used.
 */
export async function usableImage(
  context: GceContext,
  { provider, id }: ImageRef,
  options?: CallOptions,
): Promise<DiskContent> {
  const found = parseIdOf('images', id);
  if (provider !== context.provider || found === undefined)
    throw new ImgkitError(
      'NOT_FOUND',
      `"${id}" of "${provider}" is not an image of this provider`,
      {
        resource: id,
        hint: `Images of ${context.provider} have ids like projects/acme/global/images/web-1.`,
      },
    );
  const { project, name } = found;
  const request = { project, image: name };
  const image = await lookAt(context, { service: 'images', method: 'get', request }, options);
  refuseWithdrawn(image, id, provider);
  return { id: shortId(id), ...sizeOf(image) };
}

/**
 * A snapshot that machines or disks are to be made of.
 *
 * @throws {@link ImgkitError} with `NOT_FOUND`.
 */
export async function usableSnapshot(
  context: GceContext,
  id: string,
  options?: CallOptions,
): Promise<DiskContent> {
  const found = parseIdOf('snapshots', id);
  if (found === undefined)
    throw new ImgkitError('NOT_FOUND', `"${id}" is not the id of a snapshot`, {
      resource: id,
      hint: 'Ids look like projects/acme/global/snapshots/data-1.',
    });
  const request = { project: found.project, snapshot: found.name };
  const native = await lookAt(context, { service: 'snapshots', method: 'get', request }, options);
  return { id: shortId(id), ...sizeOf(native) };
}

/** What may be used may still not be read: nothing is known of it then, and Google decides. */
async function lookAt(
  { client, logger }: GceContext,
  call: Parameters<GceContext['client']['read']>[0],
  options?: CallOptions,
): Promise<WireObject | undefined> {
  try {
    return await client.read(call, options);
  } catch (error) {
    if (!ImgkitError.is(error, 'PERMISSION_DENIED')) throw error;
    logger.debug('a source may not be looked at; Google decides whether it may be used', {
      ...call.request,
    });
    return undefined;
  }
}

function sizeOf(native: WireObject | undefined): Pick<DiskContent, 'sizeBytes' | 'architecture'> {
  return {
    sizeBytes: (number(native, 'diskSizeGb') ?? 0) * gib,
    architecture: toArchitecture(text(native, 'architecture')),
  };
}

/** Google refuses them too, only not in a way that could be told from other refusals. */
function refuseWithdrawn(image: WireObject | undefined, id: string, provider: string): void {
  const deprecated = object(image, 'deprecated');
  const state = text(deprecated, 'state');
  if (state !== 'OBSOLETE' && state !== 'DELETED') return;
  const url = text(deprecated, 'replacement');
  const replacement = url === undefined ? undefined : `${provider}:${shortId(url)}`;
  throw new ImgkitError(`IMAGE_${state}`, `image "${id}" is ${state}`, {
    resource: id,
    replacement,
    hint:
      replacement === undefined
        ? 'Use a newer image of its family.'
        : `Use ${replacement} instead.`,
  });
}
