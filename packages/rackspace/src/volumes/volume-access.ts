import { ImgkitError, type CallOptions } from '@imgkit/core';

import { notFound } from '../errors.ts';
import type { CloudContext } from '../resources/context.ts';
import { toStatus, type StoredThing, type VolumeKind } from './volume-kind.ts';

/** The volume or snapshot, or nothing when there is none. */
export async function findStored<Native extends StoredThing>(
  { cinder }: CloudContext,
  kind: VolumeKind<Native>,
  id: string,
  options?: CallOptions,
): Promise<Native | undefined> {
  // An empty id would ask for the list.
  if (id === '') return undefined;
  try {
    const found = await kind.get(cinder, id, options);
    return found.status === 'deleted' ? undefined : found;
  } catch (error) {
    if (ImgkitError.is(error, 'NOT_FOUND')) return undefined;
    throw error;
  }
}

/** @throws `NOT_FOUND`. */
export async function knownStored<Native extends StoredThing>(
  context: CloudContext,
  kind: VolumeKind<Native>,
  id: string,
  options?: CallOptions,
): Promise<Native> {
  const found = await findStored(context, kind, id, options);
  if (found === undefined) throw notFound(kind.what, id);
  return found;
}

/**
 * Waits until a volume or snapshot stands.
 *
 * @throws `NOT_FOUND`, or `OPERATION_FAILED` with the cloud's reason.
 */
export async function awaitStored<Native extends StoredThing>(
  context: CloudContext,
  kind: VolumeKind<Native>,
  id: string,
  { signal }: CallOptions,
): Promise<Native> {
  return context.poll(async () => {
    const found = await knownStored(context, kind, id, { signal });
    const status = toStatus(found.status);
    if (status === 'FAILED') throw await failure(context, kind, found, { signal });
    return status === 'READY' ? found : undefined;
  }, signal);
}

/** Deletes a volume or snapshot, and waits until it is gone. One that is gone is a success. */
export async function removeStored<Native extends StoredThing>(
  context: CloudContext,
  kind: VolumeKind<Native>,
  id: string,
  { signal }: CallOptions = {},
): Promise<void> {
  // What is being made can't be deleted yet.
  const settled = await context.poll(async () => {
    const found = await findStored(context, kind, id, { signal });
    if (found === undefined) return 'gone';
    return toStatus(found.status) === 'PENDING' ? undefined : found;
  }, signal);
  if (settled === 'gone') return;
  try {
    await kind.remove(context.cinder, id, { signal });
  } catch (error) {
    if (ImgkitError.is(error, 'NOT_FOUND')) return;
    // Somebody else deletes it already.
    const now = await findStored(context, kind, id, { signal });
    if (now !== undefined && toStatus(now.status) !== 'DELETING') throw error;
  }
  await context.poll(async () => {
    const found = await findStored(context, kind, id, { signal });
    if (found === undefined) return true;
    if (toStatus(found.status) === 'FAILED') throw await failure(context, kind, found, { signal });
    return undefined;
  }, signal);
}

async function failure<Native extends StoredThing>(
  { cinder }: CloudContext,
  { what }: VolumeKind<Native>,
  { id, name, status }: Native,
  options: CallOptions,
): Promise<ImgkitError> {
  const reason = (await cinder.reason(id, options)) ?? 'the cloud doesn’t say why';
  return new ImgkitError('OPERATION_FAILED', `${what} "${name ?? id}" is in ${status}: ${reason}`, {
    resource: id,
    hint: 'Try again; if it stays so, ask who runs the cloud.',
  });
}
