import { randomUUID } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';

import {
  ImgkitError,
  type CallOptions,
  type Labels,
  type Operation,
  type OperationControl,
  type ResourceStatus,
} from '@imgkit/core';
import { currentProcess, liveness } from '@imgkit/core/local';
import type { z } from 'zod';

import type { StagedBlob } from '../store/blob-store.ts';
import type { LocalStore } from '../store/local-store.ts';
import { Records, type StoredRecord } from '../store/records.ts';
import { formatId, notFound, type Collection, type LocalContext } from './context.ts';
import { checkLabels, checkName } from './rules.ts';

/** One kind of resource. */
export interface ResourceKind<D, T> {
  /** What it is called, for example `image`. */
  readonly what: string;
  readonly collection: Collection;
  readonly schema: z.ZodType<D>;
  readonly show: (context: LocalContext, record: StoredRecord<D>) => Promise<T> | T;
}

/** The records of a kind. */
export function recordsOf<D, T>(store: LocalStore, kind: ResourceKind<D, T>): Records<D> {
  return new Records(store.catalog, kind.what, kind.schema);
}

/** What every request to make something has. */
export interface CreationRequest {
  readonly name: string;
  readonly labels?: Labels | undefined;
  readonly idempotencyKey?: string | undefined;
}

/** What was made, to be registered. */
export interface Made<D> {
  readonly doc: D;
  /** New disks, to be moved to their place. */
  readonly staged?: readonly StagedBlob[] | undefined;
  /** The digests of all disks it needs. */
  readonly digests: readonly string[];
}

/** How something is made. */
export interface Creation<D, T, P> {
  readonly operation: string;
  readonly kind: ResourceKind<D, T>;
  readonly request: CreationRequest;
  /** Checks the request by itself. */
  readonly check?: (() => void) | undefined;
  /** Looks up and checks what it is made of; nothing is made yet. */
  readonly prepare: (store: LocalStore, control: OperationControl) => Promise<P> | P;
  /** Its document while it is being made. */
  readonly draft: (prepared: P) => D;
  /** Does the work. What it made outside of the store's blobs is removed by `undo`. */
  readonly make: (
    store: LocalStore,
    prepared: P,
    record: StoredRecord<D>,
    control: OperationControl,
  ) => Promise<Made<D>>;
  /** Removes what `make` made, or a process that died in the middle of it. */
  readonly undo?: ((store: LocalStore, record: StoredRecord<D>) => Promise<void>) | undefined;
}

const pollMs = 50;

/**
 * Makes something, by the rules of every `create`: the same idempotency key gives what is there
 * already, waits for whoever is making it, or goes on where a process died; a name that is taken by
 * something else is refused. A name that a dead process holds for something unfinished is free.
 */
export function create<D extends { labels: Labels }, T, P>(
  context: LocalContext,
  creation: Creation<D, T, P>,
  options: CallOptions | undefined,
): Operation<T> {
  const { operation, kind, request } = creation;
  const key = request.idempotencyKey ?? `auto-${randomUUID()}`;
  const token = `${operation} ${context.id(kind.collection, request.name)} ${key}`;
  return context.operation<T>(operation, request.name, options, async (store, control) => {
    checkName(kind.what, request.name);
    checkLabels(request.labels);
    creation.check?.();
    for (;;) {
      const known = recordsOf(store, kind).findByKey(context.project, key);
      if (known !== undefined) {
        control.accepted(token);
        if (known.state === 'READY') return kind.show(context, known);
        if (isWorkedOn(known)) {
          await waitFor(
            control,
            `${kind.what} "${known.name}" is being made by another call`,
            token,
          );
          continue;
        }
      }
      const prepared = await creation.prepare(store, control);
      const record = claim(context, store, creation, key, creation.draft(prepared));
      if (record === undefined) continue;
      control.accepted(token);
      return kind.show(context, await carryOut(store, creation, prepared, record, control));
    }
  });
}

/** Makes a record ours to work on, a new one or one a dead process left; gives nothing if somebody was faster. */
function claim<D, T, P>(
  context: LocalContext,
  store: LocalStore,
  { kind, request: { name } }: Creation<D, T, P>,
  key: string,
  doc: D,
): StoredRecord<D> | undefined {
  const records = recordsOf(store, kind);
  const { project } = context;
  const owner = `${currentProcess()}~${randomUUID()}`;
  return store.catalog.transaction(() => {
    const known = records.findByKey(project, key);
    if (known?.state === 'CREATING' && !isWorkedOn(known))
      return records.update(known.seq, { owner, doc });
    if (known !== undefined) return undefined;
    const named = records.find(project, name);
    // Nobody can finish it without its key; it is cleared away when the name is wanted.
    if (named?.state === 'CREATING' && !isWorkedOn(named)) {
      return records.update(named.seq, { owner, key, doc });
    }
    return records.insert({ project, name, key, state: 'CREATING', owner, doc });
  });
}

async function carryOut<D, T, P>(
  store: LocalStore,
  creation: Creation<D, T, P>,
  prepared: P,
  record: StoredRecord<D>,
  control: OperationControl,
): Promise<StoredRecord<D>> {
  const { kind, make, undo } = creation;
  const records = recordsOf(store, kind);
  const isOurs = (): boolean => records.at(record.seq)?.owner === record.owner;
  let staged: readonly StagedBlob[] = [];
  try {
    // A dead process may have been in the middle of it.
    await undo?.(store, record);
    const made = await make(store, prepared, record, control);
    staged = made.staged ?? [];
    control.signal.throwIfAborted();
    return store.blobs.commit<StoredRecord<D>>(staged, () => {
      if (!isOurs())
        throw new ImgkitError(
          'OPERATION_FAILED',
          `${kind.what} "${record.name}" was deleted meanwhile`,
          {
            resource: record.name,
            hint: 'Create it again if it is still wanted.',
          },
        );
      // Blobs that were there before may have been collected since they were looked up.
      for (const digest of made.digests) store.blobs.get(digest);
      records.refer(record.seq, made.digests);
      return records.update(record.seq, { state: 'READY', owner: undefined, doc: made.doc });
    });
  } catch (error) {
    await store.blobs.discard(staged);
    if (isOurs() || records.at(record.seq) === undefined) await undo?.(store, record);
    if (isOurs()) records.delete(record.seq);
    throw error;
  }
}

/**
 * Continues a creation from its token.
 *
 * @param requestOf - The request as it was kept, from which another process can go on.
 * @param again - Makes the same call again: it joins what goes on, or takes it over.
 */
export function resumeCreation<D, T, Q extends CreationRequest>(
  context: LocalContext,
  { operation, kind }: { readonly operation: string; readonly kind: ResourceKind<D, T> },
  requestOf: (doc: D) => Q | undefined,
  again: (request: Q, options: CallOptions) => Operation<T>,
): void {
  context.onResume(operation, (rest, options) => {
    const [id = '', ...words] = rest.split(' ');
    const key = words.join(' ');
    return context.operation<T>('resume', id, options, async (store, control) => {
      const record = recordsOf(store, kind).findByKey(context.project, key);
      if (record === undefined || formatId(record.project, kind.collection, record.name) !== id)
        throw notFound(`unfinished ${kind.what}`, id);
      control.accepted(`${operation} ${rest}`);
      if (record.state === 'READY') return kind.show(context, record);
      const request = requestOf(record.doc);
      if (request === undefined)
        throw new ImgkitError('FAILED_PRECONDITION', `${kind.what} "${id}" can't be continued`, {
          resource: id,
          hint: 'What it is made of was not kept: make the same call again, with the same key.',
        });
      const operationAgain = again({ ...request, idempotencyKey: key }, { signal: control.signal });
      for await (const { message, fraction } of operationAgain) control.progress(message, fraction);
      return operationAgain;
    });
  });
}

/** Whether a living process, or one that can't be seen from here, works on the record. */
export function isWorkedOn(record: Pick<StoredRecord<unknown>, 'owner'>): boolean {
  const [owner] = record.owner?.split('~') ?? [];
  return owner !== undefined && liveness(owner) !== 'dead';
}

/** The status of a resource as the contract has it. */
export function statusOf(
  record: Pick<StoredRecord<unknown>, 'state' | 'owner'>,
): Exclude<ResourceStatus, 'DELETING'> {
  if (record.state === 'READY') return 'READY';
  return isWorkedOn(record) ? 'PENDING' : 'FAILED';
}

async function waitFor(control: OperationControl, message: string, token: string): Promise<void> {
  control.progress(message);
  try {
    await delay(pollMs, undefined, { signal: control.signal });
  } catch (cause) {
    throw new ImgkitError('PENDING', `${message}, and that goes on`, {
      token,
      hint: 'Go on waiting for it with provider.resume(token).',
      cause,
    });
  }
}
