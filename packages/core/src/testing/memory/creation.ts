import type { OwnedKind } from '../../spec/capabilities/owned.ts';
import { ImgkitError } from '../../spec/errors.ts';
import type { Labels } from '../../spec/labels.ts';
import type { Begun, MemoryContext } from './context.ts';
import { checkLabels } from './rules.ts';
import type { Row, Table } from './table.ts';

/** The parts of ids that say of what kind something is. */
const collections = {
  fleet: 'fleets',
  instance: 'instances',
  accessory: 'accessories',
  disk: 'disks',
  'machine-image': 'machine-images',
  snapshot: 'snapshots',
  image: 'images',
} as const satisfies Record<OwnedKind, string>;

/** One kind of resource: where its rows are, and what a provider shows of them. */
export interface Kind<R extends Row, T> {
  readonly kind: OwnedKind;
  readonly table: Table<R>;
  readonly show: (row: R, viewer: MemoryContext) => T;
}

/** What every request to make something has. */
export interface CreationRequest {
  readonly name: string;
  readonly labels?: Labels | undefined;
  readonly idempotencyKey?: string | undefined;
}

/** Something to be made. */
export interface Creation<R extends Row, P> {
  readonly request: CreationRequest;
  /** Looks up and checks what it is made of; nothing is made yet. */
  readonly prepare: (signal: AbortSignal) => Promise<P> | P;
  /** Makes the row, with all that goes with it, at once: nobody comes in between. */
  readonly make: (start: Omit<Row, 'status'>, prepared: P) => R;
  /** What is done when the work is done. */
  readonly complete: (row: R) => void;
  /** What else goes when the work is stopped or fails, and the row goes. */
  readonly undo?: ((row: R) => void) | undefined;
}

/**
 * Begins to make something, by the rules of every `create`: the same idempotency key gives what is
 * there already, also while it is still being made; a name that somebody else has taken is refused.
 */
export async function beginCreation<R extends Row, T, P>(
  context: MemoryContext,
  operation: string,
  kind: Kind<R, T>,
  creation: Creation<R, P>,
  signal: AbortSignal,
): Promise<Begun<T>> {
  const { request } = creation;
  const { cloud, project } = context;
  checkLabels(request.labels);
  const joined = joinExisting(context, kind, request);
  if (joined !== undefined) return joined;
  const prepared = await creation.prepare(signal);
  signal.throwIfAborted();
  const raced = joinExisting(context, kind, request);
  if (raced !== undefined) return raced;
  checkQuota(context, kind);

  let row: R | undefined;
  const made = (): R => {
    if (row === undefined) throw new Error(`${kind.kind} ${request.name} was never made`);
    return row;
  };
  const job = cloud.begin(project, operation, {
    title: `${kind.kind} ${request.name}`,
    step: () => {
      creation.complete(made());
      return false;
    },
    undo: () => {
      kind.table.remove(made());
      creation.undo?.(made());
    },
    value: (viewer) => kind.show(made(), viewer),
  });
  row = creation.make(
    {
      id: context.id(collections[kind.kind], request.name),
      sequence: cloud.next(),
      project,
      name: request.name,
      idempotencyKey: request.idempotencyKey,
      createdAt: cloud.stamp(),
      labels: { ...request.labels },
      job,
    },
    prepared,
  );
  kind.table.add(row);
  return { job, value: () => kind.show(made(), context) };
}

/** What the same request has made before; throws if the name is another's. */
function joinExisting<R extends Row, T>(
  context: MemoryContext,
  { kind, table, show }: Kind<R, T>,
  { name, idempotencyKey }: CreationRequest,
): Begun<T> | undefined {
  const same = table.keyed(context.project, idempotencyKey);
  if (same?.status === 'DELETING') {
    throw new ImgkitError('FAILED_PRECONDITION', `${kind} "${same.name}" is being deleted`, {
      resource: same.id,
      hint: 'Make it anew when it is gone.',
    });
  }
  if (same !== undefined) return { job: same.job, value: () => show(same, context) };
  if (table.named(context.project, name) === undefined) return undefined;
  throw new ImgkitError('ALREADY_EXISTS', `${kind} "${name}" exists already`, {
    resource: name,
    hint: 'Choose another name, or delete what has it.',
  });
}

function checkQuota<R extends Row, T>(context: MemoryContext, { kind, table }: Kind<R, T>): void {
  const limit = context.cloud.quota(kind);
  const used = table.all((row) => row.project === context.project).length;
  if (used < limit) return;
  throw new ImgkitError(
    'QUOTA_EXCEEDED',
    `project ${context.project} has ${used} of ${limit} ${collections[kind]}`,
    {
      hint: 'Delete what is no longer needed.',
    },
  );
}

/** Finds a resource of this project. */
export function ownRow<R extends Row, T>(
  context: MemoryContext,
  { kind, table }: Pick<Kind<R, T>, 'kind' | 'table'>,
  id: string,
): R {
  const row = table.get(id);
  if (row !== undefined && row.project === context.project) return row;
  throw notFound(kind, id);
}

/** The error for something that isn't there, or must look so. */
export function notFound(what: string, id: string): ImgkitError {
  return new ImgkitError('NOT_FOUND', `there is no ${what} "${id}"`, {
    resource: id,
    hint: 'See what there is by listing.',
  });
}

const value = (): void => undefined;

/**
 * Begins to delete something, by the rules of every `delete`: what is gone already is a success.
 *
 * @param check - Throws if it must not be deleted now.
 * @param completed - What goes with it.
 */
export function beginDeletion<R extends Row, T>(
  context: MemoryContext,
  operation: string,
  { kind, table }: Kind<R, T>,
  id: string,
  rules: {
    readonly check?: ((row: R) => void) | undefined;
    readonly completed?: ((row: R) => void) | undefined;
  } = {},
): Begun<void> {
  const { cloud, project } = context;
  const row = table.get(id);
  const title = `deletion of ${kind} ${row?.name ?? id}`;
  if (row === undefined) return { job: cloud.begin(project, operation, { title, value }), value };
  if (row.project !== project) {
    throw new ImgkitError('PERMISSION_DENIED', `${kind} "${id}" is project ${row.project}'s`, {
      resource: id,
      hint: `Delete it with a provider of project ${row.project}.`,
    });
  }
  rules.check?.(row);
  if (row.status === 'DELETING') return { job: row.job, value };
  row.job.stop('it was deleted');
  const { status } = row;
  row.status = 'DELETING';
  const step = (): boolean => {
    table.remove(row);
    rules.completed?.(row);
    return false;
  };
  const undo = (): void => {
    row.status = status;
  };
  row.job = cloud.begin(project, operation, { title, step, undo, value });
  return { job: row.job, value };
}
