import { open, type FileHandle } from 'node:fs/promises';
import { basename } from 'node:path';
import { ImgkitError } from '../../spec/errors.ts';
import type { Architecture, ImageOrigin, ImageSource } from '../../spec/image.ts';
import type { Content } from './content.ts';
import type { MemoryContext } from './context.ts';
import { notFound, ownRow } from './creation.ts';
import { usableImage } from './image-access.ts';
import { bootDisk, flush, switchOff } from './machine.ts';
import type { DiskRow, InstanceRow } from './records.ts';

/** What a new image is made of, looked up. */
export interface ResolvedSource {
  readonly content: Content;
  readonly origin: ImageOrigin;
  readonly architecture?: Architecture | undefined;
  /** The image it comes from, when it comes from one. */
  readonly image?: string | undefined;
}

/** Looks up what a new image is made of. */
export async function resolveSource(
  context: MemoryContext,
  source: ImageSource,
  signal: AbortSignal,
): Promise<ResolvedSource> {
  const { cloud } = context;
  switch (source.kind) {
    case 'disk': {
      const disk = ownRow(context, { kind: 'disk', table: cloud.disks }, source.disk);
      return ofDisk(disk, { kind: 'disk', id: disk.id });
    }
    case 'snapshot': {
      const kind = { kind: 'snapshot', table: cloud.snapshots } as const;
      const { id, content, image } = ownRow(context, kind, source.snapshot);
      return { content, image, origin: { kind: 'snapshot', id } };
    }
    case 'image': {
      const { id, content, architecture } = usableImage(context, source.image);
      return { content, architecture, image: id, origin: { kind: 'image', id } };
    }
    case 'file':
      return {
        content: await readRawFile(source.file, signal),
        origin: { kind: 'file', id: basename(source.file) },
      };
    case 'instance': {
      const kind = { kind: 'instance', table: cloud.instances } as const;
      const instance = ownRow(context, kind, source.instance);
      await quiesce(context, instance, source.whenRunning ?? 'refuse');
      return ofDisk(bootDisk(context, instance), { kind: 'instance', id: instance.id });
    }
  }
}

function ofDisk({ content, image }: DiskRow, origin: ImageOrigin): ResolvedSource {
  return { content, image, origin };
}

async function quiesce(
  context: MemoryContext,
  instance: InstanceRow,
  whenRunning: 'refuse' | 'stop' | 'flush',
): Promise<void> {
  if (instance.status === 'STOPPED') return;
  if (whenRunning === 'refuse') {
    throw new ImgkitError(
      'FAILED_PRECONDITION',
      `instance "${instance.name}" is ${instance.status}`,
      {
        resource: instance.id,
        hint: "Stop it first, or let it be stopped: whenRunning: 'stop'.",
      },
    );
  }
  if (whenRunning === 'flush') await flush(instance);
  else await switchOff(context, instance, 90_000);
}

const otherFormats: readonly { readonly name: string; readonly magic: Buffer }[] = [
  { name: 'qcow2', magic: Buffer.from('QFI\xfb', 'latin1') },
  { name: 'vmdk', magic: Buffer.from('KDMV', 'latin1') },
  { name: 'vhd', magic: Buffer.from('conectix', 'latin1') },
];

/**
 * Checks that the content of a disk file is raw.
 *
 * @throws {@link ImgkitError} with `INVALID_ARGUMENT` if it is of another format, or empty.
 */
export function checkRaw(what: string, data: Uint8Array): void {
  const other = otherFormats.find(
    ({ magic }) => Buffer.compare(magic, data.subarray(0, magic.length)) === 0,
  );
  if (other === undefined && data.length > 0) return;
  const is = other === undefined ? 'empty' : `a ${other.name} file, not a raw one`;
  throw new ImgkitError('INVALID_ARGUMENT', `"${what}" is ${is}`, {
    resource: what,
    hint: 'Convert it to the raw format first.',
  });
}

/** Reads a raw disk file. */
export async function readRawFile(path: string, signal: AbortSignal): Promise<Content> {
  let file: FileHandle;
  try {
    file = await open(path);
  } catch (error) {
    throw Object.assign(notFound('file', path), { cause: error });
  }
  try {
    const data = await file.readFile({ signal });
    checkRaw(path, data);
    return { data, sizeBytes: data.length };
  } finally {
    await file.close();
  }
}
