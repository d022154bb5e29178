import type { OwnedKind, OwnedResource, OwnedResources } from '../../spec/capabilities/owned.ts';
import { ImgkitError } from '../../spec/errors.ts';
import type { Begun, MemoryContext } from './context.ts';
import { deleteDisk } from './disks.ts';
import { deleteFleet } from './fleets.ts';
import { deleteImage } from './images.ts';
import { deleteInstance } from './instances.ts';
import { deleteMachineImage } from './machine-images.ts';
import { deleteSnapshot } from './snapshots.ts';
import { hasLabels, type Row, type Table } from './table.ts';

// Machines of a memory cloud need no accessories.
const deletions: Readonly<
  Partial<Record<OwnedKind, (context: MemoryContext, id: string) => Begun<void>>>
> = {
  fleet: deleteFleet,
  instance: deleteInstance,
  disk: deleteDisk,
  'machine-image': deleteMachineImage,
  snapshot: deleteSnapshot,
  image: deleteImage,
};

/** All that carries imgkit's labels in a memory cloud. */
export function memoryOwned(context: MemoryContext): OwnedResources {
  return {
    async *list(labels, options = {}) {
      const test = (row: Row): boolean =>
        row.project === context.project && hasLabels(row.labels, labels);
      for (const [kind, table] of context.cloud.tables()) {
        const rows: Table<Row> = table;
        yield* context.pages('owned.list', options, { table: rows, test }, (row) =>
          showOwned(kind, row),
        );
      }
    },
    delete: async (kind, id, options = {}) => {
      await context.operation('owned.delete', id, options, () => {
        const deletion = Object.hasOwn(deletions, kind) ? deletions[kind] : undefined;
        if (deletion === undefined) {
          throw new ImgkitError('INVALID_ARGUMENT', `"${kind}" isn't a kind of resource`, {
            resource: id,
            hint: `Use one of ${Object.keys(deletions).join(', ')}.`,
          });
        }
        return deletion(context, id);
      });
    },
  };
}

function showOwned(kind: OwnedKind, { id, name, createdAt, labels }: Row): OwnedResource {
  return { kind, id, name, createdAt, labels: { ...labels } };
}
