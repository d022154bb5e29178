import {
  ImgkitError,
  type CallOptions,
  type CreateDiskRequest,
  type Disk,
  type Disks,
  type Labels,
  type Operation,
} from '@imgkit/core';
import { z } from 'zod';

import { findLocalDisk } from './instances/local-disk.ts';
import { toImage } from './mapping.ts';
import type { CloudContext } from './resources/context.ts';
import { usableImage } from './resources/image-access.ts';
import { checkLabels, checkName, hasLabels, invalid, volumeName } from './resources/rules.ts';
import { awaitStored, findStored, knownStored, removeStored } from './volumes/volume-access.ts';
import { makeStored } from './volumes/volume-creation.ts';
import { fromGib, snapshotKind, toDisk, toGib, volumeKind } from './volumes/volume-kind.ts';

/** What `providerOptions` of `disks.create` may hold at an OpenStack cloud. */
const diskOptions = z.strictObject({
  /** The kind of storage, by the name or the id of its type. */
  volumeType: z.string().min(1).optional(),
  availabilityZone: z.string().min(1).optional(),
});

/** The volumes of a project in Cinder. Their sizes are whole GiB: what is asked for is rounded up. */
export class RackspaceDisks implements Disks {
  readonly #context: CloudContext;

  constructor(context: CloudContext) {
    this.#context = context;
    context.onResume('disks.create', (id, options) =>
      context.operation('resume', id, options, async (control) => {
        control.accepted(`disks.create ${id}`);
        return this.#show(await awaitStored(context, volumeKind, id, control));
      }),
    );
    context.onResume('disks.delete', (id, options) => this.delete(id, options));
  }

  async get(id: string, options?: CallOptions): Promise<Disk> {
    const context = this.#context;
    return context.call('disks.get', id, options, async () => {
      const local = await findLocalDisk(context, id, options);
      return local ?? this.#show(await knownStored(context, volumeKind, id, options));
    });
  }

  list(
    filter: { readonly name?: string | undefined; readonly labels?: Labels | undefined } = {},
    options?: CallOptions,
  ): AsyncIterable<Disk> {
    const context = this.#context;
    const { name, labels } = filter;
    const show = this.#show.bind(this);
    return context.listing('disks.list', name, options, async function* () {
      for await (const volume of context.cinder.volumes(name ? { name } : {}, options)) {
        const disk = show(volume);
        if ((name === undefined || disk.name === name) && hasLabels(disk.labels, labels))
          yield disk;
      }
    });
  }

  create(request: CreateDiskRequest, options?: CallOptions): Operation<Disk> {
    const { name, labels, idempotencyKey } = request;
    const context = this.#context;
    return context.operation('disks.create', name, options, async (control) => {
      checkName('disk', name, volumeName);
      checkLabels(labels);
      const own = checkOptions(request.providerOptions);
      const { size, ...source } = await this.#content(request, control);
      const image = source.imageRef;
      const volume = await makeStored(
        context,
        volumeKind,
        {
          name,
          labels,
          idempotencyKey,
          image,
          make: (metadata, signal) =>
            context.cinder.createVolume(
              {
                name,
                size,
                metadata,
                ...source,
                volume_type: own.volumeType,
                availability_zone: own.availabilityZone,
              },
              { signal },
            ),
        },
        control,
      );
      return this.#show(volume);
    });
  }

  delete(id: string, options?: CallOptions): Operation<void> {
    const context = this.#context;
    return context.operation('disks.delete', id, options, async (control) => {
      control.accepted(`disks.delete ${id}`);
      const [owner] = (await findLocalDisk(context, id, control))?.instances ?? [];
      if (owner !== undefined)
        throw inUse(id, `it is a part of instance "${owner}"`, 'It goes with that.');
      const volume = await findStored(context, volumeKind, id, control);
      if (volume === undefined) return;
      const [user] = volume.attachments;
      if (user !== undefined)
        throw inUse(id, `it is attached to instance "${user.server_id}"`, 'Delete that first.');
      try {
        await removeStored(context, volumeKind, id, control);
      } catch (error) {
        const snapshots: string[] = [];
        for await (const snapshot of context.cinder.snapshots({ volume_id: id }, control))
          snapshots.push(snapshot.id);
        if (snapshots.length === 0) throw error;
        const which = snapshots.slice(0, 10).join(', ');
        throw inUse(id, `it has snapshots: ${which}`, 'Delete those first.', error);
      }
    });
  }

  #show(volume: Parameters<typeof toDisk>[0]): Disk {
    return toDisk(volume, this.#context.provider);
  }

  /** What the disk is made of, and how large it gets in GiB. */
  async #content(
    { source = { kind: 'empty' }, sizeBytes, name }: CreateDiskRequest,
    options: CallOptions,
  ): Promise<{
    readonly size: number;
    readonly imageRef?: string;
    readonly snapshot_id?: string;
  }> {
    const context = this.#context;
    const sized = (least: number): number => {
      const wanted = sizeBytes ?? least;
      if (!Number.isSafeInteger(wanted) || wanted < Math.max(least, 1))
        throw invalid(
          `disk "${name}" can't have a size of ${wanted} bytes`,
          `Give a whole number of bytes, at least ${Math.max(least, 1)}.`,
        );
      return toGib(wanted);
    };
    switch (source.kind) {
      case 'empty':
        if (sizeBytes === undefined)
          throw invalid('an empty disk needs a size', 'Give its size in bytes.');
        return { size: sized(1) };
      case 'image': {
        const image = await usableImage(context, source.image, options);
        const size = sized(toImage(image, context).diskSizeBytes);
        return { size: Math.max(size, image.min_disk ?? 0), imageRef: image.id };
      }
      case 'snapshot': {
        const snapshot = await knownStored(context, snapshotKind, source.snapshot, options);
        return { size: sized(fromGib(snapshot.size)), snapshot_id: snapshot.id };
      }
    }
  }
}

function inUse(id: string, why: string, hint: string, cause?: unknown): ImgkitError {
  return new ImgkitError('IN_USE', `disk "${id}" can't be deleted: ${why}`, {
    resource: id,
    hint,
    cause,
  });
}

function checkOptions(given: CreateDiskRequest['providerOptions']): z.infer<typeof diskOptions> {
  const checked = diskOptions.safeParse(given ?? {});
  if (checked.success) return checked.data;
  const [issue] = checked.error.issues;
  throw invalid(
    `providerOptions can't be taken: ${issue?.message ?? ''}`,
    `Known are ${Object.keys(diskOptions.shape).join(', ')}.`,
  );
}
