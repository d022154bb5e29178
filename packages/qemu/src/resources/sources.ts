import { access } from 'node:fs/promises';

import type { CallOptions, ImageSource } from '@imgkit/core';
import { detectFormat } from '@imgkit/core/local';

import { fileError } from '../errors.ts';
import { toOrigin, type ImageDocument } from '../mapping.ts';
import type { StagedBlob, StageOptions } from '../store/blob-store.ts';
import { diskPath } from '../store/layout.ts';
import type { LocalStore } from '../store/local-store.ts';
import { getReady, notReady } from './access.ts';
import { notFound, type LocalContext } from './context.ts';
import { usableImage } from './image-access.ts';
import { diskRecordKind, snapshotKind } from './kinds.ts';
import type { Capture, Machines } from './machines.ts';

/** What a new image or snapshot is made of, looked up; nothing is made yet. */
export interface PreparedSource {
  readonly origin: ImageDocument['origin'];
  readonly architecture?: ImageDocument['architecture'];
  /** The image its content goes back to, as far as that is known now. */
  readonly parent?: string | undefined;
  /** Takes its content into the store, or finds that it is there already. */
  readonly take: (options: StageOptions) => Promise<TakenDisk>;
}

/** A disk in the store: a new blob, staged, or one that is there. */
export interface TakenDisk {
  readonly digest: string;
  readonly staged: readonly StagedBlob[];
  /** In bytes. */
  readonly virtualSize: number;
  readonly parent?: string | undefined;
}

/** Looks up what an image is to be made of, and checks that it may be. */
export async function prepareSource(
  context: LocalContext,
  store: LocalStore,
  machines: Machines,
  source: ImageSource,
  options: CallOptions,
): Promise<PreparedSource> {
  const origin = toOrigin(source);
  switch (source.kind) {
    case 'image': {
      const image = usableImage(context, store, source.image);
      const { id, architecture, digest } = image;
      return { origin, architecture, parent: id, take: async () => known(store, digest, id) };
    }
    case 'snapshot': {
      const { doc } = getReady(context, store, snapshotKind, source.snapshot);
      const { digest, image } = doc;
      if (digest === undefined) throw notReady('snapshot', source.snapshot);
      return { origin, parent: image, take: async () => known(store, digest, image) };
    }
    case 'file': {
      const { file } = source;
      await detectFormat(file);
      return { origin, take: async (stage) => taken(await store.blobs.stageFile(file, stage)) };
    }
    case 'disk':
      return { origin, ...(await prepareDisk(context, store, machines, source.disk, options)) };
    case 'instance': {
      const { instance, whenRunning = 'refuse' } = source;
      const take = async (stage: StageOptions): Promise<TakenDisk> => {
        const { signal } = stage;
        const capture = await machines.capture(instance, { disks: 'boot', whenRunning, signal });
        return takeCaptured(store, capture, instance, stage);
      };
      return { origin, take };
    }
  }
}

/** Looks up a disk to be copied: one that a machine has is taken as it is right now. */
export async function prepareDisk(
  context: LocalContext,
  store: LocalStore,
  machines: Machines,
  disk: string,
  { signal }: CallOptions,
): Promise<Omit<PreparedSource, 'origin'>> {
  const attached = await machines.attachedTo(disk, { signal });
  if (attached.length > 0) {
    const take = async (stage: StageOptions): Promise<TakenDisk> => {
      const capture = await machines.captureDisk(disk, { signal: stage.signal });
      if (capture === undefined) throw notFound('disk', disk);
      return takeCaptured(store, capture, disk, stage);
    };
    return { take };
  }
  const record = getReady(context, store, diskRecordKind, disk);
  const path = diskPath(store.layout, record.seq);
  await access(path).catch((error: unknown) => {
    throw fileError(error, path);
  });
  const parent = record.doc.image;
  const take = async (stage: StageOptions): Promise<TakenDisk> =>
    taken(await store.blobs.stageDisk(path, { ...stage, format: 'qcow2' }), parent);
  return { parent, take };
}

async function takeCaptured(
  store: LocalStore,
  capture: Capture,
  id: string,
  stage: StageOptions,
): Promise<TakenDisk> {
  await using held = capture;
  const [disk] = held.disks;
  if (disk === undefined) throw notFound('disk', id);
  const blob = await store.blobs.stageDisk(disk.path, { ...stage, format: 'qcow2' });
  return taken(blob, disk.image);
}

function taken(blob: StagedBlob, parent?: string): TakenDisk {
  const { digest, virtualSize } = blob;
  return { digest, virtualSize, staged: [blob], parent };
}

function known(store: LocalStore, digest: string, parent: string | undefined): TakenDisk {
  return { digest, virtualSize: store.blobs.get(digest).virtualSize, staged: [], parent };
}
