import { open } from 'node:fs/promises';
import { join } from 'node:path';

import { fileError, systemCode } from '../errors.ts';
import { machineFiles } from './command-line.ts';

/**
 * The last `bytes` bytes that a machine printed on its serial console, beginning with a whole line.
 * Empty when it has printed nothing.
 */
export async function consoleTail(directory: string, bytes = 64 * 1024): Promise<string> {
  return await tail(join(directory, machineFiles.console), bytes);
}

/** The last `bytes` bytes of a text file; empty when there is none. */
export async function tail(path: string, bytes: number): Promise<string> {
  try {
    await using file = await open(path, 'r');
    const { size } = await file.stat();
    const start = Math.max(0, size - bytes);
    const buffer = Buffer.alloc(size - start);
    const { bytesRead } = await file.read(buffer, 0, buffer.length, start);
    const text = buffer.toString('utf8', 0, bytesRead).replaceAll('\r\n', '\n');
    return start === 0 ? text : text.slice(text.indexOf('\n') + 1);
  } catch (error) {
    if (systemCode(error) === 'ENOENT') return '';
    throw fileError(error, path);
  }
}
