import {
  ifThere,
  ImgkitError,
  type CallOptions,
  type Image,
  type OperationControl,
} from '@imgkit/core';

import { object, objects, number, text, type WireObject } from '../api/wire.ts';
import type { AzureContext } from '../context.ts';
import { definitionId, ended, removeStandaloneDefinition } from './definitions.ts';
import { noImage, parseImageId } from '../images/image-id.ts';
import { refuseMachineImage } from '../machine-images/machine-image-id.ts';
import { isBusy, statusOf, toImage } from '../mapping.ts';
import type { OperationToken } from '../resources/operation-token.ts';
import { definitionOf, formatId, parseIdOf, type ResourceId } from '../resources/resource-id.ts';

const type = 'Microsoft.Compute/galleries/images/versions';

/**
 * Where a version is.
 *
 * @throws {@link ImgkitError} with `NOT_FOUND` if the id is none of an image: nothing can be there; with
 *   `PERMISSION_DENIED` for an image that is none in a gallery of one's own.
 */
export function locateVersion(id: string): ResourceId {
  const found = parseIdOf(type, id);
  if (found !== undefined) return found;
  if (parseImageId(id) === undefined) throw noImage(id);
  throw new ImgkitError('PERMISSION_DENIED', `"${id}" is not an image version of one's own`, {
    resource: id,
    hint: 'It can be used and read, and nothing else: make an image of it.',
  });
}

/** Reads a version and its definition, and shows them. */
export async function readImage(
  context: AzureContext,
  id: string,
  options?: CallOptions,
): Promise<Image> {
  const found = locateVersion(id);
  const [version, definition] = await Promise.all([
    context.client.get(formatId(found), { ...options, replication: true }),
    readDefinition(context, found, options),
  ]);
  const { provider, gallery } = context;
  return toImage(version, { provider, gallery, definition });
}

async function readDefinition(
  { client }: AzureContext,
  version: ResourceId,
  options?: CallOptions,
): Promise<WireObject | undefined> {
  try {
    return await client.get(formatId(definitionOf(version)), options);
  } catch (error) {
    // The version itself says what is wrong, or may be read without it.
    if (ImgkitError.is(error, 'NOT_FOUND') || ImgkitError.is(error, 'PERMISSION_DENIED'))
      return undefined;
    throw error;
  }
}

/** The versions of a definition, of the provider's own gallery by default; none when there is no such definition. */
export async function* versionsOf(
  context: AzureContext,
  definition: string,
  options?: CallOptions,
  gallery = context.gallery,
): AsyncGenerator<WireObject, void, undefined> {
  const { client } = context;
  const parent = { ...gallery, names: [...gallery.names, definition] };
  try {
    for await (const page of client.pages(type, parent, options)) yield* page;
  } catch (error) {
    if (!ImgkitError.is(error, 'NOT_FOUND')) throw error;
  }
}

/** Waits until a version stands, and tells how far it is in each region. */
export async function awaitVersion(
  context: AzureContext,
  token: OperationToken,
  control: OperationControl,
): Promise<WireObject> {
  const { client } = context;
  const version = await context.wait(control, token, async (options) => {
    const seen = await client.get(token.target, { ...options, replication: true });
    tellReplication(seen, control);
    return statusOf(seen) === 'PENDING' ? undefined : seen;
  });
  if (statusOf(version) === 'READY') return version;
  const error = await reasonOf(context, token, version);
  await removeVersion(context, token.target, control).catch((cause: unknown) => {
    context.logger.warn('a version that failed could not be removed', { id: token.target, cause });
  });
  throw error;
}

/** Tells how far a version is in each of its regions. */
export function tellReplication(version: WireObject, { progress }: OperationControl): void {
  const summary = objects(object(version, 'replicationStatus'), 'summary');
  const parts = summary.map((one) => number(one, 'progress') ?? 0);
  const whole = parts.reduce((sum, part) => sum + part, 0) / Math.max(1, parts.length) / 100;
  const regions = summary.map(
    (one) => `${text(one, 'region') ?? '?'} ${number(one, 'progress') ?? 0} %`,
  );
  progress(regions.length === 0 ? 'making the image' : `replicating: ${regions.join(', ')}`, whole);
}

/** Why a version isn't what it was to be: as the operation says, else as its regions say. */
export async function reasonOf(
  { client }: AzureContext,
  { operation, target }: OperationToken,
  version: WireObject,
): Promise<unknown> {
  if (statusOf(version) === 'DELETING')
    return new ImgkitError('OPERATION_FAILED', `${target} was deleted while it was made`, {
      resource: target,
    });
  try {
    if (operation !== null) await client.poll(operation);
  } catch (error) {
    return error;
  }
  const summary = objects(object(version, 'replicationStatus'), 'summary');
  const failed = summary.filter((one) => text(one, 'state') === 'Failed');
  const where = failed.map(
    (one) => `${text(one, 'region') ?? '?'}: ${text(one, 'details') ?? 'no reason given'}`,
  );
  return new ImgkitError(
    'OPERATION_FAILED',
    `Azure could not make ${target}${where.length === 0 ? '' : ` (${where.join('; ')})`}`,
    {
      resource: target,
      data: { regions: summary },
      hint: 'What failed can be tried again: isAzureImages(images), then images.replication.retry(id).',
    },
  );
}

/** Waits until nothing is going on on a version. */
export async function settledVersion(
  { client, clock }: AzureContext,
  id: string,
  options: CallOptions,
): Promise<WireObject | undefined> {
  for (let delay = 200; ; delay = Math.min(delay * 2, 10_000)) {
    const seen = await ifThere(() => client.get(id, options));
    if (seen === undefined || !isBusy(seen)) return seen;
    await clock.sleep(delay, options.signal);
  }
}

/** Removes a version, and the definition of one without a family; what is gone is gone. */
export async function removeVersion(
  context: AzureContext,
  id: string,
  options: CallOptions,
): Promise<void> {
  const standing = await settledVersion(context, id, options);
  if (standing !== undefined)
    await ended(context, await context.client.delete(id, options), options);
  await removeEmptied(context, id, options);
}

/** Removes the definition that held one image without a family. */
export async function removeEmptied(
  context: AzureContext,
  id: string,
  options: CallOptions,
): Promise<void> {
  const [, definition = ''] = locateVersion(id).names;
  const mine = formatId(definitionOf(locateVersion(id))).toLowerCase();
  if (mine !== definitionId(context, definition).toLowerCase()) return;
  await removeStandaloneDefinition(context, definition, options);
}

/** What is changed of a version: its tags as a whole, and what of its publication is named. */
export interface VersionChange {
  readonly tags: Record<string, string>;
  readonly publishingProfile?:
    | { readonly excludeFromLatest: boolean; readonly endOfLifeDate: Date | null }
    | undefined;
}

/**
 * Changes a version by one PATCH, and gives the image as it is then. Nothing that isn't named is sent, so what
 * others, or newer versions of Azure, have written into it stays.
 *
 * @param change - Says what to change; nothing when all is as it shall be.
 */
export async function changeVersion(
  context: AzureContext,
  id: string,
  options: CallOptions | undefined,
  change: (version: WireObject, image: Image) => VersionChange | undefined,
): Promise<Image> {
  const target = formatId(locateVersion(id));
  for (let attempt = 1; ; attempt += 1) {
    const image = await readImage(context, target, options);
    const version = isWire(image.native);
    refuseMachineImage(version, target);
    const wanted = change(version, image);
    if (wanted === undefined) return image;
    try {
      // Published as required in changes, too; an empty one changes nothing.
      const operation = await context.client.patch(
        target,
        { ...wanted, storageProfile: {} },
        options,
      );
      if (operation !== undefined)
        await awaitChange(
          context,
          { call: 'images.change', operation, target, rest: null },
          options,
        );
      return await readImage(context, target);
    } catch (error) {
      const busy =
        ImgkitError.is(error, 'FAILED_PRECONDITION') && error.providerCode === 'Conflict';
      if (!busy || attempt === 10 || statusOf(version) === 'FAILED') throw error;
      await settledVersion(context, target, options ?? {});
    }
  }
}

async function awaitChange(
  context: AzureContext,
  token: OperationToken,
  options: CallOptions = {},
): Promise<void> {
  const { operation } = token;
  if (operation === null) return;
  const signal = options.signal ?? new AbortController().signal;
  await context.waitFor({ signal, accepted: () => undefined }, { ...token, operation });
}

function isWire(native: unknown): WireObject {
  return typeof native === 'object' && native !== null ? { ...native } : {};
}
