import {
  ifThere,
  ImgkitError,
  throwIfAborted,
  type CallOptions,
  type CreateImageRequest,
} from '@imgkit/core';

import { text, type WireObject } from '../api/wire.ts';
import type { AzureContext } from '../context.ts';
import { definitionId } from '../versions/definitions.ts';
import type { AzureImageOptions } from './image-request.ts';
import { ownOf, statusOf } from '../mapping.ts';
import { sameName } from '../resources/names.ts';
import {
  chooseNumber,
  formatNumber,
  parseNumber,
  type VersionNumber,
} from '../versions/version-number.ts';
import { versionsOf } from '../versions/versions.ts';

/** Where a new version is to be, and what stands there. */
export interface Place {
  readonly id: string;
  readonly definition: string;
  readonly standing: WireObject | undefined;
}

/**
 * Finds where the image is, or is to be.
 *
 * @param taken - Numbers that can't be had, though nothing is seen there: those of what was deleted, and can be had back.
 */
export async function findPlace(
  context: AzureContext,
  { name, family, version }: CreateImageRequest,
  { replaceFailed = false }: AzureImageOptions,
  key: string,
  taken: readonly VersionNumber[],
  control: CallOptions,
): Promise<Place> {
  throwIfAborted(control.signal);
  const at = (definition: string, number: string): string =>
    context.id(
      'Microsoft.Compute/galleries/images/versions',
      context.settings.gallery,
      definition,
      number,
    );
  if (family === undefined) {
    const id = at(name, '1.0.0');
    const standing = await ifThere(() => context.client.get(id, control));
    return { id, definition: name, standing };
  }
  const numbers = [...taken];
  let mine: WireObject | undefined;
  for await (const standing of versionsOf(context, family, control)) {
    const number = parseNumber(text(standing, 'name') ?? '');
    if (number === undefined) continue;
    if (sameName(ownOf(standing).name, name) && (mine === undefined || ownOf(standing).key === key))
      mine = standing;
    if (!(replaceFailed && statusOf(standing) === 'FAILED')) numbers.push(number);
  }
  if (mine !== undefined)
    return { id: at(family, text(mine, 'name') ?? ''), definition: family, standing: mine };
  const id = at(family, formatNumber(chooseNumber(name, version, numbers)));
  const standing = replaceFailed ? await ifThere(() => context.client.get(id, control)) : undefined;
  return { id, definition: family, standing };
}

/**
 * Whether what stands must go first: it failed, and is ours or may be replaced.
 *
 * @throws ImgkitError with `ALREADY_EXISTS` if it is somebody else's.
 */
export function mustReplace(
  { id, standing = {} }: Place,
  key: string,
  { replaceFailed = false }: AzureImageOptions,
): boolean {
  const mine = ownOf(standing).key === key;
  const failed = statusOf(standing) === 'FAILED';
  if (failed && (mine || replaceFailed)) return true;
  if (!mine) throw alreadyThere(ownOf(standing).name ?? id, id, failed);
  return statusOf(standing) === 'DELETING';
}

export function alreadyThere(name: string, id: string, failed = false): ImgkitError {
  return new ImgkitError(
    'ALREADY_EXISTS',
    `"${name}" exists already, and was not made by this call`,
    {
      resource: id,
      hint: failed
        ? 'It has failed: remove it, or say providerOptions: { replaceFailed: true }.'
        : 'Choose another name, or remove what has it.',
    },
  );
}

/** The numbers of what was deleted in a family and can be had back; none where Azure keeps nothing, or doesn't tell. */
export async function deletedNumbers(
  context: AzureContext,
  family: string,
  control: CallOptions,
): Promise<readonly VersionNumber[]> {
  const found: VersionNumber[] = [];
  try {
    for await (const page of context.client.deletedVersions(definitionId(context, family), control))
      for (const one of page) {
        const number = parseNumber(text(one, 'name') ?? '');
        if (number !== undefined) found.push(number);
      }
  } catch (error) {
    if (!ImgkitError.is(error) || error.code === 'CANCELLED') throw error;
  }
  return found;
}
