import {
  ImgkitError,
  type CallOptions,
  type CreateSnapshotRequest,
  type Labels,
  type Operation,
  type Snapshot,
  type Snapshots,
  type SnapshotsTraits,
} from '@imgkit/core';

import type { CinderSnapshot } from './cinder/cinder-volume.ts';
import { findRecord } from './machine-images/record.ts';
import type { CloudContext } from './resources/context.ts';
import { checkLabels, checkName, hasLabels, invalid, volumeName } from './resources/rules.ts';
import { awaitStored, findStored, knownStored, removeStored } from './volumes/volume-access.ts';
import { makeStored } from './volumes/volume-creation.ts';
import { snapshotKind, toSnapshot, volumeKind } from './volumes/volume-kind.ts';
import { readVolumeMetadata } from './volumes/volume-metadata.ts';

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
      const isPart = partOfAnother(context, options);
      for await (const native of context.cinder.snapshots(query, options)) {
        const snapshot = toSnapshot(native);
        if (
          (name === undefined || snapshot.name === name) &&
          (disk === undefined || snapshot.disk === disk) &&
          hasLabels(snapshot.labels, labels) &&
          !(await isPart(native))
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
      const snapshot = await findStored(context, snapshotKind, id, control);
      if (snapshot === undefined) return;
      if (await partOfAnother(context, control)(snapshot))
        throw new ImgkitError('IN_USE', `snapshot "${id}" is a part of a machine image`, {
          resource: id,
          hint: `Delete that: machineImages.delete('${readVolumeMetadata(snapshot.metadata).machineImage}').`,
        });
      await removeStored(context, snapshotKind, id, control);
    });
  }
}

/** Tells of snapshots whether a machine image that stands has them: those aren't anybody else's to delete. */
function partOfAnother(
  context: CloudContext,
  options: CallOptions | undefined,
): (snapshot: CinderSnapshot) => Promise<boolean> {
  const known = new Map<string, Promise<boolean>>();
  return async ({ metadata }) => {
    const { machineImage: id } = readVolumeMetadata(metadata);
    if (id === undefined) return false;
    const stands =
      known.get(id) ?? findRecord(context, id, options).then((record) => record !== undefined);
    known.set(id, stands);
    return stands;
  };
}
