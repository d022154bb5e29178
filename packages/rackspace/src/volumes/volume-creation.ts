import { createHash, randomUUID } from 'node:crypto';

import { ImgkitError, type Labels, type OperationControl } from '@imgkit/core';

import { isRefusal } from '../errors.ts';
import type { CloudContext } from '../resources/context.ts';
import { awaitStored, removeStored } from './volume-access.ts';
import { toStatus, type StoredThing, type VolumeKind } from './volume-kind.ts';
import { readVolumeMetadata, toVolumeMetadata } from './volume-metadata.ts';

/** A new volume or snapshot, checked. */
export interface VolumeCreation<Native> {
  readonly name: string;
  readonly labels?: Labels | undefined;
  readonly idempotencyKey?: string | undefined;
  /** The image a volume is made of. */
  readonly image?: string | undefined;
  /** Asks the cloud to make it, with this metadata. */
  readonly make: (
    metadata: Readonly<Record<string, string>>,
    signal: AbortSignal,
  ) => Promise<Native>;
}

/**
 * Makes a volume or a snapshot, once for a key, and waits until it stands. Who ends the waiting is told how to
 * go on: the cloud makes it all the same, and deletes nothing that isn't made yet.
 */
export async function makeStored<Native extends StoredThing>(
  context: CloudContext,
  kind: VolumeKind<Native>,
  creation: VolumeCreation<Native>,
  control: OperationControl,
): Promise<Native> {
  const { capability, what } = kind;
  const { name, idempotencyKey = randomUUID() } = creation;
  const digest = createHash('sha256')
    .update(JSON.stringify([context.project, what, idempotencyKey]))
    .digest('hex');
  const { id, isNew } = await context.locks.alone(`${what} name ${name}`, () =>
    claim(context, kind, creation, digest, control.signal),
  );
  const token = `${capability}.create ${id}`;
  control.accepted(token);
  control.progress(`the cloud makes the ${what}`);
  try {
    return await awaitStored(context, kind, id, control);
  } catch (error) {
    if (control.signal.aborted)
      throw new ImgkitError('PENDING', `the cloud goes on making ${what} "${name}"`, {
        resource: id,
        token,
        hint: 'Go on waiting for it with provider.resume(token).',
        cause: error,
      });
    if (isNew) await undo(context, kind, id, error);
    throw error;
  }
}

/** The one that a key stands for, made if it isn't there. */
async function claim<Native extends StoredThing>(
  context: CloudContext,
  kind: VolumeKind<Native>,
  creation: VolumeCreation<Native>,
  digest: string,
  signal: AbortSignal,
): Promise<{ readonly id: string; readonly isNew: boolean }> {
  const { name } = creation;
  const known = await standing(context, kind, name, digest, signal);
  if (known !== undefined) return { id: known, isNew: false };
  const id = await create(context, kind, creation, digest, signal);
  // Names aren't unique in Cinder, and nothing else keeps two from being made at the same time: the older one stays.
  const [first] = await named(context, kind, name);
  if (first === undefined || first.id === id) return { id, isNew: true };
  await undo(context, kind, id, undefined);
  if (readVolumeMetadata(first.metadata).key === digest) return { id: first.id, isNew: false };
  throw taken(kind, name, first.id);
}

/**
 * The one that this key has made already; one that failed is removed.
 *
 * @throws `ALREADY_EXISTS` if another one has the name.
 */
async function standing<Native extends StoredThing>(
  context: CloudContext,
  kind: VolumeKind<Native>,
  name: string,
  digest: string,
  signal: AbortSignal,
): Promise<string | undefined> {
  const all = await named(context, kind, name);
  const isMine = ({ metadata }: Native): boolean => readVolumeMetadata(metadata).key === digest;
  const mine = all.find(isMine);
  const other = all.find((one) => !isMine(one));
  if (mine === undefined && other !== undefined) throw taken(kind, name, other.id);
  if (mine === undefined || toStatus(mine.status) !== 'FAILED') return mine?.id;
  await removeStored(context, kind, mine.id, { signal });
  return undefined;
}

async function create<Native extends StoredThing>(
  context: CloudContext,
  kind: VolumeKind<Native>,
  { name, labels = {}, image, make }: VolumeCreation<Native>,
  digest: string,
  signal: AbortSignal,
): Promise<string> {
  try {
    const made = await make(toVolumeMetadata({ labels, key: digest, image }), signal);
    return made.id;
  } catch (error) {
    // What was refused isn't there. Otherwise the answer was lost, or the call.
    if (isRefusal(error)) throw error;
    const made = await lost(context, kind, name, digest).catch(() => undefined);
    if (made === undefined) throw error;
    if (!signal.aborted) return made;
    await undo(context, kind, made, error);
    throw error;
  }
}

/** How often, and after how many milliseconds, what was lost is looked for: it may still be on its way. */
const looks = [0, 500, 2000];

async function lost<Native extends StoredThing>(
  context: CloudContext,
  kind: VolumeKind<Native>,
  name: string,
  digest: string,
): Promise<string | undefined> {
  for (const wait of looks) {
    await context.sleep(wait, undefined);
    const all = await named(context, kind, name);
    const mine = all.find(({ metadata }) => readVolumeMetadata(metadata).key === digest);
    if (mine !== undefined) return mine.id;
  }
  return undefined;
}

/** Those of a name that stay, the oldest first. */
async function named<Native extends StoredThing>(
  context: CloudContext,
  kind: VolumeKind<Native>,
  name: string,
): Promise<readonly Native[]> {
  const found: Native[] = [];
  for await (const one of kind.list(context.cinder, { name })) {
    if (one.name === name && toStatus(one.status) !== 'DELETING') found.push(one);
  }
  return found.toSorted((a, b) => order(a).localeCompare(order(b)));
}

function order({ created_at: at, id }: StoredThing): string {
  return `${at} ${id}`;
}

/** Deletes what a failed call has made; says so when it can't. */
async function undo<Native extends StoredThing>(
  context: CloudContext,
  kind: VolumeKind<Native>,
  id: string,
  reason: unknown,
): Promise<void> {
  try {
    await removeStored(context, kind, id);
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    throw new ImgkitError('CLEANUP_FAILED', `${kind.what} "${id}" could not be deleted: ${why}`, {
      resource: id,
      leftovers: [{ provider: context.provider, kind: kind.what, id, reason: why }],
      hint: 'Delete it by hand.',
      cause: reason,
    });
  }
}

function taken({ what }: VolumeKind<StoredThing>, name: string, id: string): ImgkitError {
  return new ImgkitError('ALREADY_EXISTS', `there is a ${what} "${name}" already`, {
    resource: id,
    hint: `Choose another name, or delete that ${what}.`,
  });
}
