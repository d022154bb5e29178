import { open, type FileHandle } from 'node:fs/promises';

import { ImgkitError } from '@imgkit/core';

import { noBlock, readFooter, sectorBytes } from './vhd-layout.ts';

const chunkBytes = 1 << 20;

/**
 * Gives the raw disk of a VHD file.
 *
 * @throws {@link ImgkitError} with `OPERATION_FAILED` if the file is no whole VHD.
 */
export async function* rawOfVhd(path: string): AsyncGenerator<Buffer, void, undefined> {
  await using file = await open(path);
  const { size } = await file.stat();
  const footer = readFooter(await read(file, Math.max(0, size - sectorBytes), sectorBytes));
  if (footer === undefined || !footer.isSound) throw broken(path, 'its footer is wrong');
  const { type, diskBytes, headerAt } = footer;
  if (type === 'fixed') {
    if (size !== diskBytes + sectorBytes) throw broken(path, 'it is cut short');
    for (let at = 0; at < diskBytes; at += chunkBytes)
      yield read(file, at, Math.min(chunkBytes, diskBytes - at));
    return;
  }
  if (type !== 'dynamic') throw broken(path, 'it is only a part of a disk');
  const header = await read(file, headerAt, 1024);
  const tableAt = Number(header.readBigUInt64BE(16));
  const blockBytes = header.readUInt32BE(32);
  const bitmapBytes = Math.ceil(blockBytes / sectorBytes / 8 / sectorBytes) * sectorBytes;
  const table = await read(file, tableAt, Math.ceil(diskBytes / blockBytes) * 4);
  const zeros = Buffer.alloc(chunkBytes);
  for (let index = 0; index * blockBytes < diskBytes; index += 1) {
    const sector = table.readUInt32BE(index * 4);
    const length = Math.min(blockBytes, diskBytes - index * blockBytes);
    for (let at = 0; at < length; at += chunkBytes) {
      const part = Math.min(chunkBytes, length - at);
      yield sector === noBlock
        ? zeros.subarray(0, part)
        : await read(file, sector * sectorBytes + bitmapBytes + at, part);
    }
  }
}

async function read(file: FileHandle, position: number, length: number): Promise<Buffer> {
  const { buffer, bytesRead } = await file.read(Buffer.alloc(length), 0, length, position);
  if (bytesRead < length) throw broken('the file', 'it ends too early');
  return buffer;
}

function broken(path: string, why: string): ImgkitError {
  return new ImgkitError('OPERATION_FAILED', `${path} is no whole VHD: ${why}`, {
    hint: 'Export the image again.',
  });
}
