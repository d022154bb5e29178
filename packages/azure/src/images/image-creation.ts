import { randomUUID } from 'node:crypto';

import {
  ImgkitError,
  type CreateImageRequest,
  type Image,
  type OperationControl,
} from '@imgkit/core';
import * as z from 'zod';

import { text, type WireObject } from '../api/wire.ts';
import { tokenOf, type AzureContext } from '../context.ts';
import { ensureDefinition, removeStandaloneDefinition } from '../versions/definitions.ts';
import { checkRequest } from './image-request.ts';
import { ownOf, statusOf } from '../mapping.ts';
import { sameName } from '../resources/names.ts';
import type { OperationToken } from '../resources/operation-token.ts';
import { alreadyThere, deletedNumbers, findPlace, mustReplace } from './image-place.ts';
import { removeIntermediateDisk } from './intermediate-disk.ts';
import { discardSource, provideSource } from './provisional-source.ts';
import { prepareSource } from './sources.ts';
import { keyDigest } from '../resources/tags.ts';
import { isGone } from '../transfer/page-blob.ts';
import {
  standaloneOf,
  targetRegionNames,
  versionBody,
  type HeldInTags,
} from '../versions/version-body.ts';
import { compareNumbers, parseNumber, type VersionNumber } from '../versions/version-number.ts';
import {
  awaitVersion,
  locateVersion,
  readImage,
  removeVersion,
  versionsOf,
} from '../versions/versions.ts';

/** How often a creation begins anew when others change the same things meanwhile. */
const mostAttempts = 8;

/** What a token of a creation says beside the version: the image's name, and its maker. */
const restSchema = z.strictObject({
  name: z.string(),
  key: z.string(),
  /** Whether its source was uploaded for it, and is to be removed when it stands. */
  uploaded: z.boolean().default(false),
  /** Whether a disk was made for it, and is to be removed when it stands. */
  disk: z.boolean().default(false),
});

/** What a version is made for. */
interface VersionPurpose {
  /** The call that makes it, and that goes on with its token. */
  readonly call: 'images.create' | 'machineImages.create';
  /** Of a machine image: what is kept of its machine. */
  readonly machine?: HeldInTags | undefined;
}

/** A version that stands. */
interface FinishedVersion {
  readonly id: string;
}

/**
 * Makes an image once: the same key gives the same one, in every process, however the first try ended. Azure's PUT
 * would change what stands under the number: so it is looked at first, and told by the tag with the key.
 */
export async function createImage(
  context: AzureContext,
  request: CreateImageRequest,
  control: OperationControl,
): Promise<Image> {
  const { id } = await createVersion(context, request, { call: 'images.create' }, control);
  return readImage(context, id);
}

/** Makes an image version once, for an image or for a machine image. */
export async function createVersion(
  context: AzureContext,
  request: CreateImageRequest,
  { call, machine }: VersionPurpose,
  control: OperationControl,
): Promise<FinishedVersion> {
  const options = checkRequest(request);
  const { name, family } = request;
  const key = keyDigest(request.idempotencyKey ?? randomUUID());
  // Looks at the request before anybody is asked.
  const asked = versionBody(context, request, options, { key, machine });
  await context.regions.require(targetRegionNames(asked), control);
  const source = await prepareSource(context, request.source, options, control);
  const { facts, file, disk } = source;
  const made = { key, size: file?.diskSize, origin: disk?.image.ref.id, machine };
  const body = versionBody(context, request, options, made);
  const standalone = standaloneOf(family, machine);
  let taken: readonly VersionNumber[] = [];
  for (let attempt = 1; attempt <= mostAttempts; attempt += 1) {
    const place = await findPlace(context, request, options, key, taken, control);
    const token = tokenOf(call, null, place.id, {
      name,
      key,
      uploaded: file !== undefined,
      disk: disk !== undefined,
    });
    if (place.standing !== undefined) {
      if (ownOf(place.standing).standalone !== standalone) throw alreadyThere(name, place.id);
      if (mustReplace(place, key, options)) {
        await removeVersion(context, place.id, control);
        continue;
      }
      return finishVersion(context, token, control);
    }
    const { architecture } = request;
    const need = { name: place.definition, standalone, facts, options, architecture };
    try {
      await ensureDefinition(context, need, control);
      const storageProfile = await provideSource(context, source, request, key, control);
      const operation = await context.client.put(place.id, { ...body, storageProfile }, control);
      return await finishVersion(context, { ...token, operation: operation ?? null }, control);
    } catch (error) {
      if (mayBeginAnew(error)) {
        // It may be that the number is kept for what was deleted.
        if (family !== undefined) taken = await deletedNumbers(context, family, control);
        continue;
      }
      if (ImgkitError.is(error, 'PENDING')) throw error;
      if (standalone !== undefined) await removeStandaloneDefinition(context, place.definition, {});
      await discardSource(context, source, request, key, error);
      throw error;
    }
  }
  throw new ImgkitError(
    'FAILED_PRECONDITION',
    `"${name}" could not be begun: others change the same things`,
    {
      hint: 'Try again when they are done.',
    },
  );
}

/** Goes on with a creation of this or another process. */
export async function resumeImage(
  context: AzureContext,
  token: OperationToken,
  control: OperationControl,
): Promise<Image> {
  const { id } = await finishVersion(context, token, control);
  return readImage(context, id);
}

/** Waits until the version stands, and makes sure that it is the one. What stands can't be cancelled any more. */
export async function finishVersion(
  context: AzureContext,
  token: OperationToken,
  control: OperationControl,
): Promise<FinishedVersion> {
  const version = await awaitVersion(context, token, control);
  const rest = restSchema.safeParse(token.rest).data;
  if (rest?.uploaded === true) await context.uploads?.finish(rest.name, rest.key);
  const [, definition = ''] = locateVersion(token.target).names;
  if (rest === undefined) return { id: token.target };
  const own = ownOf(version);
  if (rest.disk) await removeIntermediateDisk(context, rest.key);
  if (own.key !== rest.key) throw alreadyThere(rest.name, token.target);
  if (own.standalone === undefined) {
    const first = await firstOf(context, definition, version, rest.name);
    if (first !== undefined) {
      await removeVersion(context, token.target, {});
      return finishVersion(context, { ...token, operation: null, target: first }, control);
    }
  }
  return { id: token.target };
}

/**
 * The id of the same image under a lower number. Two processes that began it at the same time may have seen
 * different versions, and chosen different numbers: then the lower one stays.
 */
async function firstOf(
  context: AzureContext,
  definition: string,
  mine: WireObject,
  name: string,
): Promise<string | undefined> {
  const number = parseNumber(text(mine, 'name') ?? '');
  const key = ownOf(mine).key;
  for await (const version of versionsOf(context, definition)) {
    const other = parseNumber(text(version, 'name') ?? '');
    const own = ownOf(version);
    const same = sameName(own.name, name) && own.key === key && statusOf(version) !== 'FAILED';
    if (same && number && other && compareNumbers(other, number) < 0)
      return context.id(
        'Microsoft.Compute/galleries/images/versions',
        context.settings.gallery,
        definition,
        text(version, 'name') ?? '',
      );
  }
  return undefined;
}

/** Whether an error says that somebody else changed the same things: then it is looked at again. */
function mayBeginAnew(error: unknown): boolean {
  // Another process has made the same image of the same upload, and removed it.
  if (isGone(error)) return true;
  if (ImgkitError.is(error, 'FAILED_PRECONDITION'))
    return error.providerCode === 'Conflict' || error.providerCode === 'PropertyChangeNotAllowed';
  return ImgkitError.is(error, 'NOT_FOUND') && error.providerCode === 'ParentResourceNotFound';
}
