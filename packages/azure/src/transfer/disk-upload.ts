import { ImgkitError, throwIfAborted, type OperationControl } from '@imgkit/core';
import type { Extent } from '@imgkit/core/local';

import { openDisk, requireUnchanged, type DiskFile } from './disk-file.ts';
import { openPieces, piecesOf, type Piece } from './disk-pieces.ts';
import { mostBytes, type BlobFacts, type PageBlob } from './page-blob.ts';
import { workInParallel } from './parallel-work.ts';

/** How much may have to be sent again after a crash, in bytes, beside what is on its way. */
const checkpointBytes = 16 * 2 ** 20;
const footerBytes = 512;

/** The metadata of uploads, whose names can't have a hyphen at Azure. */
const marks = {
  /** The identity of the file that it is made of. */
  source: 'imgkitsource',
  /** Up to where all has arrived, in bytes. */
  done: 'imgkitdone',
} as const;

type Control = Pick<OperationControl, 'signal' | 'progress'>;

/**
 * Uploads a disk as a fixed VHD, without its zeros. What an upload of the same file has left is gone on with: what
 * Azure has confirmed isn't sent again. At the end it is checked that all has arrived, and that nothing else is there.
 *
 * @param metadata - What the blob is to tell beside its progress.
 * @throws {@link ImgkitError} with `FAILED_PRECONDITION` if the file changes meanwhile; with `NOT_FOUND` if somebody
 *   removes the blob meanwhile.
 */
export async function uploadDisk(
  blob: PageBlob,
  file: DiskFile,
  metadata: Readonly<Record<string, string>>,
  control: Control,
): Promise<void> {
  const { signal, progress } = control;
  const own = { ...metadata, [marks.source]: file.identity };
  const size = file.diskSize + footerBytes;
  const start = await begin(blob, { size, metadata: own }, control);
  await using disk = await openDisk(file, control);
  progress('uploading the disk', 0);
  const mark = (done: number): Promise<void> =>
    blob.mark({ ...own, [marks.done]: String(done) }, { signal });
  const written = await sendPieces(blob, disk.path, {
    pieces: await piecesOf(disk, signal),
    start,
    signal,
    mark,
    tell: (fraction) => progress('uploading the disk', fraction),
  });
  await blob.write(disk.footer, file.diskSize, { signal });
  await requireUnchanged(file);
  const wanted = joined([...written, { offset: file.diskSize, length: footerBytes }]);
  if (same(wanted, await blob.written(size, { signal }))) await mark(size);
  else
    throw new ImgkitError(
      'OPERATION_FAILED',
      `what is at ${blob.address} isn't what was sent there`,
      {
        resource: blob.address,
        hint: 'Somebody else writes to it, or the storage account has lost data: try again.',
      },
    );
}

/** Makes the blob, or finds how far an upload of the same file came that broke off. */
async function begin(blob: PageBlob, facts: BlobFacts, { signal }: Control): Promise<number> {
  for (let attempt = 1; attempt <= 5; attempt += 1) {
    if (await blob.create(facts, { signal })) return 0;
    const standing = await blob.facts({ signal });
    if (standing === undefined) continue;
    const { size, metadata } = standing;
    if (size === facts.size && metadata[marks.source] === facts.metadata[marks.source])
      return Number(metadata[marks.done] ?? 0);
    await blob.remove({ signal });
  }
  throw new ImgkitError('FAILED_PRECONDITION', `${blob.address} is made and removed by others`, {
    resource: blob.address,
  });
}

/** What {@link sendPieces} goes by. */
interface Sending {
  readonly pieces: readonly Piece[];
  /** Up to where all has arrived already. */
  readonly start: number;
  readonly signal: AbortSignal;
  /** Keeps up to where all has arrived. */
  readonly mark: (done: number) => Promise<void>;
  readonly tell: (fraction: number) => void;
}

/**
 * Sends the data of all pieces, several at a time, each from a buffer of its own.
 *
 * @returns where there is data.
 */
async function sendPieces(
  blob: PageBlob,
  path: string,
  { pieces, start, signal, mark, tell }: Sending,
): Promise<readonly Extent[]> {
  await using reader = await openPieces(path);
  const total = pieces.reduce((sum, { length }) => sum + length, 0);
  const data: (readonly Extent[])[] = [];
  const sent = new Set<number>();
  let [next, first, bytesDone, unmarked] = [0, 0, 0, 0];
  let marking = false;

  /** Notes that a piece has arrived, and now and then up to where all have. */
  const arrived = async (index: number, bytes: number): Promise<void> => {
    sent.add(index);
    while (sent.delete(first)) first += 1;
    unmarked += bytes;
    const end = pieces[first]?.offset;
    if (marking || unmarked < checkpointBytes || end === undefined || end <= start) return;
    marking = true;
    unmarked = 0;
    await mark(end);
    marking = false;
  };
  const work = async (stop: AbortSignal): Promise<void> => {
    const buffer = Buffer.allocUnsafeSlow(mostBytes);
    for (let index = next++; ; index = next++) {
      const piece = pieces[index];
      if (piece === undefined) return;
      throwIfAborted(stop);
      const found = await reader.read(piece, buffer);
      data[index] = found.map(({ offset, bytes }) => ({ offset, length: bytes.length }));
      let bytesSent = 0;
      if (piece.offset >= start)
        for (const { offset, bytes } of found) {
          await blob.write(bytes, offset, { signal: stop });
          bytesSent += bytes.length;
        }
      bytesDone += piece.length;
      tell(bytesDone / total);
      await arrived(index, bytesSent);
    }
  };
  await workInParallel(pieces.length, signal, work);
  return data.flat();
}

function joined(extents: readonly Extent[]): readonly Extent[] {
  const result: { offset: number; length: number }[] = [];
  for (const { offset, length } of extents) {
    const last = result.at(-1);
    if (last !== undefined && last.offset + last.length === offset) last.length += length;
    else result.push({ offset, length });
  }
  return result;
}

function same(a: readonly Extent[], b: readonly Extent[]): boolean {
  return (
    a.length === b.length &&
    a.every(({ offset, length }, index) => {
      const other = b[index];
      return other?.offset === offset && other.length === length;
    })
  );
}
