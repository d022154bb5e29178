import { execFile } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { mkdtemp, open, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';

import { ImgkitError } from '../src/spec/errors.ts';
import { onTestFinished } from 'vitest';

/** Runs a tool and gives its stdout. */
export async function run(tool: string, ...args: string[]): Promise<string> {
  const { stdout } = await promisify(execFile)(tool, args, { maxBuffer: 2 ** 26 });
  return stdout;
}

/** A directory that is removed when the test ends. */
export async function scratch(): Promise<string> {
  const directory = await mkdtemp(join(tmpdir(), 'imgkit-qemu-'));
  onTestFinished(() => rm(directory, { recursive: true, force: true }));
  return directory;
}

/** Makes a sparse raw disk with random data at the given offsets, all in bytes. */
export async function makeRaw(
  path: string,
  size: number,
  data: readonly { at: number; length: number }[],
  content: (length: number) => Buffer = randomBytes,
): Promise<string> {
  const file = await open(path, 'w');
  try {
    await file.truncate(size);
    for (const { at, length } of data) await file.write(content(length), 0, length, at);
  } finally {
    await file.close();
  }
  return path;
}

/** The virtual sizes that qemu-img reads. */
export async function virtualSize(path: string, format: string): Promise<number> {
  const info: unknown = JSON.parse(
    await run('qemu-img', 'info', '--output=json', '-f', format, path),
  );
  return info instanceof Object ? Number(Reflect.get(info, 'virtual-size')) : Number.NaN;
}

/** Waits for a call to fail and gives the imgkit error it threw. */
export async function failure(call: PromiseLike<unknown>): Promise<ImgkitError> {
  try {
    await call;
  } catch (error) {
    if (ImgkitError.is(error)) return error;
    throw error;
  }
  throw new Error('the call did not fail');
}

/** Waits for a call to fail and gives the code and the message of its error. */
export async function refusal(call: PromiseLike<unknown>): Promise<string> {
  const { code, message } = await failure(call);
  return `${code}: ${message}`;
}
