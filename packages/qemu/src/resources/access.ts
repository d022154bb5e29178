import { ImgkitError, type CallOptions, type Labels, type Operation } from '@imgkit/core';

import type { LocalStore } from '../store/local-store.ts';
import type { StoredRecord } from '../store/records.ts';
import { notFound, parseId, type LocalContext } from './context.ts';
import { recordsOf, type ResourceKind } from './creation.ts';
import { hasLabels } from './rules.ts';

/** The record of a resource of this project, finished or not; `undefined` when there is none. */
function findOwn<D, T>(
  context: LocalContext,
  store: LocalStore,
  kind: ResourceKind<D, T>,
  id: string,
): StoredRecord<D> | undefined {
  const parsed = parseId(id, kind.collection);
  if (parsed === undefined || parsed.project !== context.project) return undefined;
  return recordsOf(store, kind).find(parsed.project, parsed.name);
}

/**
 * The record of a resource of this project, finished or not.
 *
 * @throws `NOT_FOUND` when there is none.
 */
export function getOwn<D, T>(
  context: LocalContext,
  store: LocalStore,
  kind: ResourceKind<D, T>,
  id: string,
): StoredRecord<D> {
  const record = findOwn(context, store, kind, id);
  if (record === undefined) throw notFound(kind.what, id);
  return record;
}

/**
 * A finished resource of this project, to make something of.
 *
 * @throws `NOT_FOUND`, or `FAILED_PRECONDITION` while it is being made.
 */
export function getReady<D, T>(
  context: LocalContext,
  store: LocalStore,
  kind: ResourceKind<D, T>,
  id: string,
): StoredRecord<D> {
  const record = getOwn(context, store, kind, id);
  if (record.state === 'READY') return record;
  throw notReady(kind.what, id);
}

/** The error for what is still being made, or never will be. */
export function notReady(what: string, id: string): ImgkitError {
  return new ImgkitError('FAILED_PRECONDITION', `${what} "${id}" is not READY`, {
    resource: id,
    hint: 'Wait until it is READY.',
  });
}

/** Lists resources of this project, newest first. */
export function listOwn<D extends { readonly labels: Labels }, T>(
  context: LocalContext,
  kind: ResourceKind<D, T>,
  filter: { readonly name?: string | undefined; readonly labels?: Labels | undefined } | undefined,
  options: CallOptions | undefined,
  test: (doc: D) => boolean = () => true,
): AsyncGenerator<T, void, undefined> {
  return context.pages(
    `${kind.collection}.list`,
    options,
    (store, after: StoredRecord<D> | undefined, size) =>
      recordsOf(store, kind).page(after?.seq, size, context.project),
    (_store, record) =>
      (filter?.name === undefined || filter.name === record.name) &&
      hasLabels(record.doc.labels, filter?.labels) &&
      test(record.doc)
        ? kind.show(context, record)
        : undefined,
  );
}

/**
 * Deletes a resource of this project; one that is gone is a success. What another process is still
 * making goes too: that process finds out and undoes its work.
 *
 * @param remove - Checks that it may go, and removes what it has beside its record and its blobs.
 * @throws `PERMISSION_DENIED` for another project's.
 */
export function deleteOwn<D, T>(
  context: LocalContext,
  operation: string,
  kind: ResourceKind<D, T>,
  id: string,
  options: CallOptions | undefined,
  remove?: (store: LocalStore, record: StoredRecord<D>) => Promise<void>,
): Operation<void> {
  return context.operation<void>(operation, id, options, async (store, control) => {
    control.accepted(`${operation} ${id}`);
    const parsed = parseId(id, kind.collection);
    if (parsed === undefined) return;
    const record = recordsOf(store, kind).find(parsed.project, parsed.name);
    if (record === undefined) return;
    if (record.project !== context.project)
      throw new ImgkitError(
        'PERMISSION_DENIED',
        `${kind.what} "${id}" belongs to project ${record.project}`,
        { resource: id, hint: `Delete it with a provider of project ${record.project}.` },
      );
    await remove?.(store, record);
    recordsOf(store, kind).delete(record.seq);
    // What it was is gone; what it took is collected now, or else by the next call.
    await store.gc().catch(() => undefined);
  });
}
