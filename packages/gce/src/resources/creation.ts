import { ifThere, ImgkitError, type Json, type OperationControl } from '@imgkit/core';

import { keyDigest } from '../api/request-id.ts';
import { text, textMap, type WireObject } from '../api/wire.ts';
import type { CloudOperation, MutationCall } from '../client.ts';
import { tokenOf, type GceContext } from '../context.ts';
import { operationError } from '../errors.ts';
import { keyLabel } from './labels.ts';

/** How one resource is made. */
export interface Creation {
  /** The call that makes it, for messages and tokens: `images.create`. */
  readonly call: string;
  /** What is told while it is being made: `making the image`. */
  readonly what: string;
  /** The mutation; its body carries the labels of {@link creationLabels}. */
  readonly mutation: Omit<MutationCall, 'key' | 'generation'>;
  /** The id that it will have. */
  readonly id: string;
  /** The key of the request. */
  readonly key: string | undefined;
  /** Reads it. */
  readonly find: () => Promise<WireObject>;
  /** What is left to do when it stands, for the token. */
  readonly rest?: Json | undefined;
}

/** How often something made with one key may have failed, or gone, before it is made again with it. */
const mostGenerations = 20;

/** The label with which what was made with a key is recognized when Google has forgotten the request. */
export function creationLabels(key: string | undefined): Record<string, string> {
  return key === undefined ? {} : { [keyLabel]: keyDigest(key) };
}

/** Whether a resource was made with a key. */
function madeWith(resource: WireObject | undefined, key: string | undefined): boolean {
  return key !== undefined && textMap(resource, 'labels')[keyLabel] === keyDigest(key);
}

/**
 * Makes a resource once: the same key gives the same one, in every process, however the first try ended. What
 * Google replays because it knows the request already is told from what is new: a replay that failed, or whose
 * resource is gone, makes room for another try.
 *
 * @returns The resource.
 * @throws ImgkitError with `ALREADY_EXISTS` if the name is taken by what wasn't made with this key, or with what
 *   Google says of the failure.
 */
export async function makeOnce(
  context: GceContext,
  creation: Creation,
  control: OperationControl,
): Promise<WireObject> {
  const { call, mutation, key, id, find, rest, what } = creation;
  const since = context.clock.now();
  let failure: ImgkitError | undefined;
  for (let generation = 0; generation < mostGenerations; generation += 1) {
    const started = await start(context, { ...mutation, key, generation }, creation, control);
    if (started === undefined) return find();
    if (started.done && key !== undefined && !isNewer(started, since)) {
      failure = operationError(started.native, { resource: id });
      if (failure !== undefined) continue;
    }
    await context.wait(control, tokenOf(call, started, id, rest), what);
    const made = await ifThere(find);
    if (made !== undefined) return made;
    if (!started.done || key === undefined)
      throw new ImgkitError('NOT_FOUND', `${id} was made, and is gone`, {
        resource: id,
        hint: 'Somebody removed it meanwhile: make it again.',
      });
  }
  if (failure !== undefined) throw failure;
  throw new ImgkitError('OPERATION_FAILED', `${id} could not be made, however often it was tried`, {
    resource: id,
    hint: 'Use another idempotency key.',
  });
}

/**
 * Whether an operation was started after a moment, so by us. Where this machine's clock is ahead of Google's, none
 * seems to be: then it is tried once more than needed, rather than once less.
 */
function isNewer({ native }: CloudOperation, since: number): boolean {
  return Date.parse(text(native, 'insertTime') ?? '') > since;
}

/** Starts the making; gives nothing when it stands already, made with the same key. */
async function start(
  context: GceContext,
  mutation: MutationCall,
  { id, key, find, call }: Creation,
  { signal }: OperationControl,
) {
  try {
    return await context.client.start(mutation, { signal });
  } catch (error) {
    if (!ImgkitError.is(error, 'ALREADY_EXISTS')) throw error;
    const standing = await ifThere(find);
    if (madeWith(standing, key)) {
      context.logger.debug('it stands already', { call, id, status: text(standing, 'status') });
      return undefined;
    }
    throw new ImgkitError('ALREADY_EXISTS', `${id} exists already, and was not made by this call`, {
      resource: id,
      hint: 'Choose another name, or remove what has it.',
      providerCode: error.providerCode,
      cause: error,
    });
  }
}
