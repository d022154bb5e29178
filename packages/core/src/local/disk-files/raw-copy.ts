import { mkdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { ownName, removeAbandoned } from './owned-file.ts';
import { convert, measureCopy, type CallSettings, type QemuDiskFormat } from './qemu-img.ts';
import { requireSpace } from './space.ts';

/** What is among the temporary files for a while: it goes with `await using`. */
export interface TemporaryPath extends AsyncDisposable {
  readonly path: string;
}

/** What the names of the directories begin with. */
const prefix = 'imgkit-disk';

/** Makes a directory among the temporary files, for this user alone; those of processes that have died go first. */
export async function temporaryDirectory(): Promise<TemporaryPath> {
  await removeAbandoned(tmpdir(), prefix);
  const path = join(tmpdir(), ownName(prefix));
  await mkdir(path, { mode: 0o700 });
  return { path, [Symbol.asyncDispose]: () => rm(path, { recursive: true, force: true }) };
}

/** How a raw copy is made. */
export interface RawCopyOptions extends CallSettings {
  /** The format of what is copied. */
  readonly from: QemuDiskFormat;
  /** Called with the part done, from 0 to 1. */
  readonly onProgress?: ((fraction: number) => void) | undefined;
}

/**
 * Makes a sparse raw disk of the disk at `path`, among the temporary files.
 *
 * @throws {@link ImgkitError} with `QUOTA_EXCEEDED` before anything is written if there is no space for it, and
 *   `FAILED_PRECONDITION` if qemu-img is not installed.
 */
export async function rawCopy(path: string, options: RawCopyOptions): Promise<TemporaryPath> {
  const { from, signal, onProgress } = options;
  await requireSpace(tmpdir(), await measureCopy(path, from, { signal }));
  const directory = await temporaryDirectory();
  try {
    const copy = join(directory.path, 'disk.raw');
    await convert(path, copy, { from, to: 'raw', signal, onProgress });
    return { path: copy, [Symbol.asyncDispose]: () => directory[Symbol.asyncDispose]() };
  } catch (error) {
    await directory[Symbol.asyncDispose]();
    throw error;
  }
}
