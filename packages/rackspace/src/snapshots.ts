import type {
  CallOptions,
  CreateSnapshotRequest,
  Labels,
  Operation,
  Snapshot,
  Snapshots,
  SnapshotsTraits,
} from '@imgkit/core';

import type { CloudContext } from './resources/context.ts';
import { checkLabels, checkName, hasLabels, invalid, volumeName } from './resources/rules.ts';
import { awaitStored, findStored, knownStored, removeStored } from './volumes/volume-access.ts';
import { makeStored } from './volumes/volume-creation.ts';
import { snapshotKind, toSnapshot, volumeKind } from './volumes/volume-kind.ts';

/** The snapshots of a project's volumes in Cinder. A volume can't be deleted before its snapshots. */
export class RackspaceSnapshots implements Snapshots {
  readonly traits: SnapshotsTraits = { outliveDisks: false };
  readonly #context: CloudContext;

  constructor(context: CloudContext) {
    this.#context = context;
    context.onResume('snapshots.create', (id, options) =>
      context.operation('resume', id, options, async (control) => {
        control.accepted(`snapshots.create ${id}`);
        return toSnapshot(await awaitStored(context, snapshotKind, id, control));
      }),
    );
    context.onResume('snapshots.delete', (id, options) => this.delete(id, options));
  }

  async get(id: string, options?: CallOptions): Promise<Snapshot> {
    const context = this.#context;
    return context.call('snapshots.get', id, options, async () =>
      toSnapshot(await knownStored(context, snapshotKind, id, options)),
    );
  }

  list(
    filter: {
      readonly name?: string | undefined;
      readonly disk?: string | undefined;
      readonly labels?: Labels | undefined;
    } = {},
    options?: CallOptions,
  ): AsyncIterable<Snapshot> {
    const context = this.#context;
    const { name, disk, labels } = filter;
    const query = { ...(name && { name }), ...(disk && { volume_id: disk }) };
    return context.listing('snapshots.list', name, options, async function* () {
      for await (const native of context.cinder.snapshots(query, options)) {
        const snapshot = toSnapshot(native);
        if (
          (name === undefined || snapshot.name === name) &&
          (disk === undefined || snapshot.disk === disk) &&
          hasLabels(snapshot.labels, labels)
        )
          yield snapshot;
      }
    });
  }

  create(request: CreateSnapshotRequest, options?: CallOptions): Operation<Snapshot> {
    const { name, disk, labels, idempotencyKey } = request;
    const context = this.#context;
    return context.operation('snapshots.create', name, options, async (control) => {
      checkName('snapshot', name, volumeName);
      checkLabels(labels);
      const [option] = Object.keys(request.providerOptions ?? {});
      if (option !== undefined)
        throw invalid(`providerOptions can't be taken: ${option}`, 'Snapshots have none here.');
      const volume = await knownStored(context, volumeKind, disk, control);
      const made = await makeStored(
        context,
        snapshotKind,
        {
          name,
          labels,
          idempotencyKey,
          make: (metadata, signal) =>
            context.cinder.createSnapshot({ name, volume_id: volume.id, metadata }, { signal }),
        },
        control,
      );
      return toSnapshot(made);
    });
  }

  delete(id: string, options?: CallOptions): Operation<void> {
    const context = this.#context;
    return context.operation('snapshots.delete', id, options, async (control) => {
      control.accepted(`snapshots.delete ${id}`);
      if ((await findStored(context, snapshotKind, id, control)) !== undefined)
        await removeStored(context, snapshotKind, id, control);
    });
  }
}
