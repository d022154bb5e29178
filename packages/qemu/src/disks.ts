import {
  ImgkitError,
  type CallOptions,
  type CreateDiskRequest,
  type Disk,
  type Disks,
  type Labels,
  type Operation,
} from '@imgkit/core';
import { createEmpty, syncPath } from '@imgkit/core/local';

import { diskSchema, instant, type DiskDocument } from './mapping.ts';
import { deleteOwn, getOwn, getReady, listOwn, notReady } from './resources/access.ts';
import type { LocalContext } from './resources/context.ts';
import { create, resumeCreation, statusOf, type ResourceKind } from './resources/creation.ts';
import { usableImage } from './resources/image-access.ts';
import { snapshotKind } from './resources/kinds.ts';
import type { Machines } from './resources/machines.ts';
import { checkedSize, invalid } from './resources/rules.ts';
import { diskPath } from './store/layout.ts';
import type { LocalStore } from './store/local-store.ts';
import type { StoredRecord } from './store/records.ts';

/** What a new disk begins as. */
interface Content {
  readonly sizeBytes: number;
  /** The blob it reads through to; none for an empty disk. */
  readonly digest?: string | undefined;
  readonly image?: string | undefined;
}

/** Disks that stand by themselves: qcow2 files, which read through to a blob until they are written to. */
export class QemuDisks implements Disks {
  readonly #context: LocalContext;
  readonly #machines: Machines;
  readonly #kind: ResourceKind<DiskDocument, Disk>;

  constructor(context: LocalContext, machines: Machines) {
    this.#context = context;
    this.#machines = machines;
    this.#kind = {
      what: 'disk',
      collection: 'disks',
      schema: diskSchema,
      show: (_context, record) => this.#show(record),
    };
    const creation = { operation: 'disks.create', kind: this.#kind };
    resumeCreation(
      context,
      creation,
      ({ request }) => request,
      (request, again) => this.create(request, again),
    );
  }

  async get(id: string, options?: CallOptions): Promise<Disk> {
    return this.#context.call('disks.get', id, options, (store) =>
      this.#show(getOwn(this.#context, store, this.#kind, id), options),
    );
  }

  list(
    filter?: { readonly name?: string | undefined; readonly labels?: Labels | undefined },
    options?: CallOptions,
  ): AsyncIterable<Disk> {
    return listOwn(this.#context, this.#kind, filter, options);
  }

  create(request: CreateDiskRequest, options?: CallOptions): Operation<Disk> {
    const { labels = {} } = request;
    return create<DiskDocument, Disk, Content>(
      this.#context,
      {
        operation: 'disks.create',
        kind: this.#kind,
        request,
        prepare: (store) => this.#content(store, request),
        draft: ({ sizeBytes, image }) => ({ labels: { ...labels }, sizeBytes, image, request }),
        make: async (store, { digest, sizeBytes }, record, { signal }) => {
          const path = diskPath(store.layout, record.seq);
          if (digest === undefined) await createEmpty(path, sizeBytes, { signal });
          else await store.overlays.create(path, digest, { virtualSize: sizeBytes, signal });
          await syncPath(path);
          await syncPath(store.layout.disks);
          // The overlay's own row keeps its blob; no reference of the record is needed.
          return { doc: { ...record.doc, request: undefined }, digests: [] };
        },
        undo: removeFile,
      },
      options,
    );
  }

  delete(id: string, options?: CallOptions): Operation<void> {
    const remove = async (store: LocalStore, record: StoredRecord<DiskDocument>): Promise<void> => {
      const [instance] = await this.#machines.attachedTo(id, options);
      if (instance !== undefined)
        throw new ImgkitError('IN_USE', `disk "${id}" is attached to ${instance}`, {
          resource: id,
          hint: 'Delete the instance first.',
        });
      await removeFile(store, record);
    };
    return deleteOwn(this.#context, 'disks.delete', this.#kind, id, options, remove);
  }

  #content(store: LocalStore, request: CreateDiskRequest): Content {
    const { source = { kind: 'empty' }, sizeBytes } = request;
    const size = (least: number): number =>
      checkedSize(`disk "${request.name}"`, sizeBytes ?? least, least);
    switch (source.kind) {
      case 'empty':
        if (sizeBytes === undefined)
          throw invalid('an empty disk needs a size', 'Give its size in bytes.');
        return { sizeBytes: size(1) };
      case 'image': {
        const { digest, diskSizeBytes, id } = usableImage(this.#context, store, source.image);
        return { digest, sizeBytes: size(diskSizeBytes), image: id };
      }
      case 'snapshot': {
        const { doc } = getReady(this.#context, store, snapshotKind, source.snapshot);
        const { digest, diskSizeBytes, image } = doc;
        if (digest === undefined) throw notReady('snapshot', source.snapshot);
        return { digest, sizeBytes: size(diskSizeBytes), image };
      }
    }
  }

  async #show(record: StoredRecord<DiskDocument>, options?: CallOptions): Promise<Disk> {
    const { doc, name } = record;
    const id = this.#context.id('disks', name);
    return {
      id,
      name,
      status: statusOf(record),
      sizeBytes: doc.sizeBytes,
      createdAt: instant(record.createdAt),
      labels: doc.labels,
      instances: await this.#machines.attachedTo(id, options),
      image: doc.image === undefined ? undefined : this.#context.ref(doc.image),
    };
  }
}

async function removeFile(store: LocalStore, record: StoredRecord<unknown>): Promise<void> {
  const path = diskPath(store.layout, record.seq);
  await store.overlays.remove(path);
}
