import type {
  CallOptions,
  CreateSnapshotRequest,
  Labels,
  Operation,
  Snapshot,
  Snapshots,
} from '@imgkit/core';

import { deleteOwn, getOwn, listOwn } from './resources/access.ts';
import type { LocalContext } from './resources/context.ts';
import { create, resumeCreation } from './resources/creation.ts';
import { snapshotKind } from './resources/kinds.ts';
import type { Machines } from './resources/machines.ts';
import { prepareDisk } from './resources/sources.ts';

/** Backups of disks, each a blob of its own: what it was taken of may go. */
export class QemuSnapshots implements Snapshots {
  readonly #context: LocalContext;
  readonly #machines: Machines;

  constructor(context: LocalContext, machines: Machines) {
    this.#context = context;
    this.#machines = machines;
    const creation = { operation: 'snapshots.create', kind: snapshotKind };
    resumeCreation(
      context,
      creation,
      ({ request }) => request,
      (request, again) => this.create(request, again),
    );
  }

  async get(id: string, options?: CallOptions): Promise<Snapshot> {
    return this.#context.call('snapshots.get', id, options, (store) =>
      snapshotKind.show(this.#context, getOwn(this.#context, store, snapshotKind, id)),
    );
  }

  list(
    filter?: {
      readonly name?: string | undefined;
      readonly disk?: string | undefined;
      readonly labels?: Labels | undefined;
    },
    options?: CallOptions,
  ): AsyncIterable<Snapshot> {
    return listOwn(this.#context, snapshotKind, filter, options, ({ disk }) =>
      filter?.disk === undefined ? true : filter.disk === disk,
    );
  }

  create(request: CreateSnapshotRequest, options?: CallOptions): Operation<Snapshot> {
    const context = this.#context;
    const { disk, labels = {} } = request;
    return create(
      context,
      {
        operation: 'snapshots.create',
        kind: snapshotKind,
        request,
        prepare: (store, { signal }) =>
          prepareDisk(context, store, this.#machines, disk, { signal }),
        draft: ({ parent }) => ({
          labels: { ...labels },
          disk,
          diskSizeBytes: 0,
          image: parent,
          request,
        }),
        make: async (_store, source, { doc }, { signal, progress }) => {
          const onProgress = (fraction: number): void => progress('copying the disk', fraction);
          const { digest, virtualSize, staged, parent } = await source.take({ signal, onProgress });
          const made = { digest, diskSizeBytes: virtualSize, image: parent, request: undefined };
          return { doc: { ...doc, ...made }, staged, digests: [digest] };
        },
      },
      options,
    );
  }

  delete(id: string, options?: CallOptions): Operation<void> {
    return deleteOwn(this.#context, 'snapshots.delete', snapshotKind, id, options);
  }
}
