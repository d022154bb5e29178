import { createHash } from 'node:crypto';

import { ImgkitError, type OperationControl } from '@imgkit/core';

import type { DiskSource } from '../resources/disk-source.ts';
import { transferProgress } from '../resources/transfer-progress.ts';
import { checkDigest } from '../resources/upload.ts';
import type { Swift, SwiftSegment } from '../swift/swift.ts';
import { toDynamicVhd } from '../vhd/vhd-writer.ts';
import { readFooter, sectorBytes, type VhdFooter } from '../vhd/vhd-layout.ts';
import { segmentsOf } from './segments.ts';

/** The largest disk, and the largest file, that the cloud takes. https://docs.rackspace.com/docs/cloud-images */
const maxDiskBytes = 40 * 2 ** 30;

/** Where a disk goes. */
export interface UploadPlace {
  readonly swift: Swift;
  readonly container: string;
  /** The folder of the disk, with a slash at its end. */
  readonly folder: string;
}

/** How a disk is uploaded. */
export interface DiskUploadOptions extends Pick<OperationControl, 'signal' | 'progress'> {
  /** What the disk must digest to, as `sha256:<hex>`. */
  readonly digest?: string | undefined;
  /** 16 bytes that identify the disk. */
  readonly id: Buffer;
  /** Whether an earlier try may have brought parts of it there. */
  readonly isLeft: boolean;
}

/**
 * Uploads a disk as a VHD, in segments that are compared with what the cloud got. Segments that an earlier try has
 * brought there aren't sent again. A raw disk becomes a dynamic VHD on its way.
 *
 * @returns The size of the disk, in bytes.
 */
export async function uploadDisk(
  { swift, container, folder }: UploadPlace,
  disk: DiskSource,
  { signal, progress, digest, id, isLeft }: DiskUploadOptions,
): Promise<number> {
  const standing = new Map<string, string>();
  const there = isLeft ? swift.list(container, { prefix: folder }, { signal }) : [];
  for await (const { name, hash } of there) standing.set(name, hash);
  const segments: SwiftSegment[] = [];
  const send = async (name: string, bytes: Buffer<ArrayBuffer>): Promise<SwiftSegment> => {
    const hash = createHash('md5').update(bytes).digest('hex');
    if (standing.get(name) !== hash) await swift.put(container, name, bytes, { signal });
    return { name, hash, sizeBytes: bytes.length };
  };
  const read = measured(await disk.open({ signal }), disk.sizeBytes, { signal, progress });
  const vhd = disk.format === 'vhd' ? undefined : toDynamicVhd(read.bytes, id);
  let end = Buffer.alloc(0);
  for await (const segment of segmentsOf(vhd?.blocks ?? read.bytes)) {
    const number = String(segments.length + 1).padStart(8, '0');
    segments.push(await send(`${folder}segments/${number}`, segment));
    end = Buffer.concat([end, segment.subarray(-sectorBytes)]).subarray(-sectorBytes);
    checkSize(segments.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0));
  }
  if (digest !== undefined) checkDigest(`sha256:${read.sha256()}`, digest);
  const diskBytes = checkedFooter(end).diskBytes;
  if (vhd !== undefined) {
    const front = await send(`${folder}segments/${'0'.repeat(8)}`, vhd.front().bytes);
    segments.unshift(front);
  }
  checkSize(diskBytes);
  await swift.putLarge(container, `${folder}disk.vhd`, segments, { signal });
  return diskBytes;
}

/** The footer of a VHD that the cloud takes. */
function checkedFooter(end: Buffer): VhdFooter {
  const footer = readFooter(end);
  const wrong =
    footer === undefined || !footer.isSound
      ? 'its footer is damaged'
      : !footer.hasId
        ? 'it has no identity'
        : footer.type !== 'fixed' && footer.type !== 'dynamic'
          ? 'a part of the disk is in another file'
          : undefined;
  if (footer !== undefined && wrong === undefined) return footer;
  throw new ImgkitError('INVALID_ARGUMENT', `the VHD can't be taken: ${wrong}`, {
    hint: 'Convert the disk anew: qemu-img convert -O vpc.',
  });
}

/** @throws {@link ImgkitError} with `INVALID_ARGUMENT` for what the cloud refuses after it was uploaded. */
export function checkSize(bytes: number): void {
  if (bytes <= maxDiskBytes) return;
  throw new ImgkitError('INVALID_ARGUMENT', 'the disk is larger than the 40 GB that are taken', {
    hint: 'Make the disk smaller: qemu-img resize --shrink, after its file systems.',
  });
}

/** Digests the bytes as they pass, and tells how far they are. */
function measured(
  bytes: AsyncIterable<Uint8Array>,
  total: number | undefined,
  { signal, progress }: Pick<OperationControl, 'signal' | 'progress'>,
) {
  const hash = createHash('sha256');
  const tell = transferProgress(progress, 'uploading the disk', total);
  async function* passing(): AsyncGenerator<Uint8Array, void, undefined> {
    let length = 0;
    for await (const chunk of bytes) {
      signal.throwIfAborted();
      hash.update(chunk);
      length += chunk.length;
      yield chunk;
      tell(length);
    }
  }
  return { bytes: passing(), sha256: () => hash.digest('hex') };
}
