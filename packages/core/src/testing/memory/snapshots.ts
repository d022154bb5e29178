import type { Snapshot, Snapshots } from '../../spec/capabilities/snapshots.ts';
import type { Begun, MemoryContext } from './context.ts';
import { beginCreation, beginDeletion, ownRow, type Kind } from './creation.ts';
import { diskKind } from './disks.ts';
import type { SnapshotRow } from './records.ts';
import { checkName } from './rules.ts';
import { hasLabels } from './table.ts';

/** The snapshots of a memory cloud. */
export function memorySnapshots(context: MemoryContext): Snapshots {
  const kind = snapshotKind(context);
  return {
    get: (id, options = {}) =>
      context.call('snapshots.get', id, options, () => showSnapshot(ownRow(context, kind, id))),
    list: (filter = {}, options = {}) =>
      context.pages(
        'snapshots.list',
        options,
        {
          table: kind.table,
          test: (row) =>
            row.project === context.project &&
            (filter.name === undefined || row.name === filter.name) &&
            (filter.disk === undefined || row.disk === filter.disk) &&
            hasLabels(row.labels, filter.labels),
        },
        showSnapshot,
      ),
    create: (request, options = {}) =>
      context.operation('snapshots.create', request.name, options, (signal) => {
        checkName('snapshot', request.name);
        return beginCreation(
          context,
          'snapshots.create',
          kind,
          {
            request,
            prepare: () => ownRow(context, diskKind(context), request.disk),
            make: (start, { id, content, image }): SnapshotRow => ({
              ...start,
              status: 'PENDING',
              disk: id,
              content,
              image,
            }),
            complete: (row) => {
              row.status = 'READY';
            },
          },
          signal,
        );
      }),
    delete: (id, options = {}) =>
      context.operation('snapshots.delete', id, options, () => deleteSnapshot(context, id)),
  };
}

/** Snapshots as a kind of resource. */
function snapshotKind(context: MemoryContext): Kind<SnapshotRow, Snapshot> {
  return { kind: 'snapshot', table: context.cloud.snapshots, show: showSnapshot };
}

/** Begins to delete a snapshot. */
export function deleteSnapshot(context: MemoryContext, id: string): Begun<void> {
  return beginDeletion(context, 'snapshots.delete', snapshotKind(context), id);
}

function showSnapshot(row: SnapshotRow): Snapshot {
  return {
    id: row.id,
    name: row.name,
    status: row.status,
    disk: row.disk,
    diskSizeBytes: row.content.sizeBytes,
    createdAt: row.createdAt,
    labels: { ...row.labels },
  };
}
