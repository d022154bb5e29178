import { ImgkitError, type CallOptions, type Deprecation } from '@imgkit/core';

import { text, textMap, type WireObject } from '../api/wire.ts';
import type { ApiService, CloudOperation } from '../client.ts';
import type { GceContext } from '../context.ts';
import { deprecationBlock } from './image-request.ts';
import { parseIdOf } from '../resources/resource-id.ts';

/** How often a change is tried again that somebody else was faster than. */
const mostRaces = 10;

/**
 * The fields with which an image is asked for.
 *
 * @throws ImgkitError with `NOT_FOUND` if the id is no image's: nothing can be there.
 */
export function imageCall(id: string): {
  readonly service: ApiService;
  readonly request: { readonly project: string; readonly image: string };
} {
  const found = parseIdOf('images', id);
  if (found?.scope === 'global')
    return { service: 'images', request: { project: found.project, image: found.name } };
  throw new ImgkitError('NOT_FOUND', `"${id}" is not the id of an image`, {
    resource: id,
    hint: 'Ids look like projects/acme/global/images/web-1.',
  });
}

/**
 * Reads an image as Google has it.
 *
 * @throws ImgkitError with `NOT_FOUND`, also for one of another project that may not be seen.
 */
export async function readImage(
  context: GceContext,
  id: string,
  options?: CallOptions,
): Promise<WireObject> {
  const call = imageCall(id);
  try {
    return await context.client.read({ ...call, method: 'get' }, options);
  } catch (error) {
    const foreign = call.request.project !== context.project;
    if (!foreign || !ImgkitError.is(error, 'PERMISSION_DENIED')) throw error;
    throw new ImgkitError('NOT_FOUND', `image "${id}" isn't there, or isn't shared with us`, {
      resource: id,
      hint: 'Ask its project for roles/compute.imageUser on it.',
      providerCode: error.providerCode,
      cause: error,
    });
  }
}

/** Carries a change of an image out, to its end. */
async function carryOut(
  context: GceContext,
  started: Promise<CloudOperation>,
  options?: CallOptions,
): Promise<void> {
  await context.client.wait(await started, options);
}

/** Changes what `patch` can change of an image. */
export async function patchImage(
  context: GceContext,
  id: string,
  changes: { readonly family?: string; readonly description?: string },
  options?: CallOptions,
): Promise<void> {
  const { service, request } = imageCall(id);
  const body = { ...request, imageResource: changes };
  const call = { service, method: 'patch', request: body, target: id };
  await carryOut(context, context.client.start(call, options), options);
}

/** Puts a deprecation in place of the one an image has. */
export async function deprecateImage(
  context: GceContext,
  id: string,
  deprecation: Deprecation,
  options?: CallOptions,
): Promise<void> {
  const { service, request } = imageCall(id);
  const deprecationStatusResource = deprecationBlock(context.provider, deprecation);
  const body = { ...request, deprecationStatusResource };
  const call = { service, method: 'deprecate', request: body, target: id };
  await carryOut(context, context.client.start(call, options), options);
}

/**
 * Changes labels of an image, as Google has them, with the fingerprint of those that were read: a change by
 * somebody else in between is kept, and ours made again on top of it.
 */
export async function changeLabels(
  context: GceContext,
  id: string,
  change: (labels: Readonly<Record<string, string>>) => Readonly<Record<string, string>>,
  options?: CallOptions,
): Promise<void> {
  const { service, request } = imageCall(id);
  for (let race = 1; ; race += 1) {
    const image = await readImage(context, id, options);
    const before = textMap(image, 'labels');
    const labels = change(before);
    if (isSame(before, labels)) return;
    const globalSetLabelsRequestResource = {
      labels,
      labelFingerprint: text(image, 'labelFingerprint') ?? '',
    };
    const body = {
      project: request.project,
      resource: request.image,
      globalSetLabelsRequestResource,
    };
    const call = { service, method: 'setLabels', request: body, target: id };
    try {
      await carryOut(context, context.client.start(call, options), options);
      return;
    } catch (error) {
      if (!ImgkitError.is(error, 'FAILED_PRECONDITION') || race >= mostRaces) throw error;
    }
  }
}

function isSame(a: Readonly<Record<string, string>>, b: Readonly<Record<string, string>>): boolean {
  const keys = Object.keys(a);
  return keys.length === Object.keys(b).length && keys.every((key) => a[key] === b[key]);
}
