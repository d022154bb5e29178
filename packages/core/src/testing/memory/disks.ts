import type { CreateDiskRequest, Disk, Disks } from '../../spec/capabilities/disks.ts';
import { ImgkitError } from '../../spec/errors.ts';
import { emptyContent, grown, type Content } from './content.ts';
import type { Begun, MemoryContext } from './context.ts';
import { beginCreation, beginDeletion, ownRow, type Kind } from './creation.ts';
import { usableImage } from './image-access.ts';
import type { DiskRow } from './records.ts';
import { checkName, checkSize } from './rules.ts';
import { hasLabels } from './table.ts';

/** The disks of a memory cloud. */
export function memoryDisks(context: MemoryContext): Disks {
  const kind = diskKind(context);
  return {
    get: (id, options = {}) =>
      context.call('disks.get', id, options, () => showDisk(ownRow(context, kind, id), context)),
    list: (filter = {}, options = {}) =>
      context.pages(
        'disks.list',
        options,
        {
          table: kind.table,
          test: (row) =>
            row.project === context.project &&
            (filter.name === undefined || row.name === filter.name) &&
            hasLabels(row.labels, filter.labels),
        },
        (row) => showDisk(row, context),
      ),
    create: (request, options = {}) =>
      context.operation('disks.create', request.name, options, (signal) => {
        checkName('disk', request.name);
        checkSize('a disk', request.sizeBytes);
        return beginCreation(
          context,
          'disks.create',
          kind,
          {
            request,
            prepare: () => sourceOf(context, request),
            make: (start, { content, image }): DiskRow => ({
              ...start,
              status: 'PENDING',
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
      context.operation('disks.delete', id, options, () => deleteDisk(context, id)),
  };
}

/** Disks as a kind of resource. */
export function diskKind(context: MemoryContext): Kind<DiskRow, Disk> {
  return { kind: 'disk', table: context.cloud.disks, show: showDisk };
}

/** Begins to delete a disk that no instance has. */
export function deleteDisk(context: MemoryContext, id: string): Begun<void> {
  return beginDeletion(context, 'disks.delete', diskKind(context), id, {
    check: (row) => {
      const [user] = usersOf(context, row.id);
      if (user === undefined) return;
      throw new ImgkitError('IN_USE', `disk "${row.name}" is attached to instance "${user.name}"`, {
        resource: row.id,
        hint: 'Delete the instance first.',
      });
    },
  });
}

/** The instances a disk is attached to. */
export function usersOf({ cloud }: MemoryContext, disk: string) {
  return cloud.instances.all((row) => row.disks.some((attached) => attached.disk === disk));
}

function showDisk(row: DiskRow, viewer: MemoryContext): Disk {
  return {
    id: row.id,
    name: row.name,
    status: row.status,
    sizeBytes: row.content.sizeBytes,
    createdAt: row.createdAt,
    labels: { ...row.labels },
    instances: usersOf(viewer, row.id).map(({ id }) => id),
    image: row.image === undefined ? undefined : viewer.ref(row.image),
  };
}

/** What a new disk holds. */
function sourceOf(
  context: MemoryContext,
  { name, source = { kind: 'empty' }, sizeBytes }: CreateDiskRequest,
): { readonly content: Content; readonly image: string | undefined } {
  const { cloud } = context;
  switch (source.kind) {
    case 'empty':
      if (sizeBytes !== undefined) return { content: emptyContent(sizeBytes), image: undefined };
      throw new ImgkitError('INVALID_ARGUMENT', `disk "${name}" has neither a size nor a source`, {
        hint: 'Give sizeBytes.',
      });
    case 'image': {
      const { id, content } = usableImage(context, source.image);
      checkSize('the disk', sizeBytes, content.sizeBytes);
      return { content: grown(content, sizeBytes), image: id };
    }
    case 'snapshot': {
      const kind = { kind: 'snapshot', table: cloud.snapshots } as const;
      const { content, image } = ownRow(context, kind, source.snapshot);
      checkSize('the disk', sizeBytes, content.sizeBytes);
      return { content: grown(content, sizeBytes), image };
    }
  }
}
