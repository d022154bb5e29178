import { ImgkitError, throwIfAborted } from '@imgkit/core';

const retryEveryMs = 150;

/** Gives a lock back that only one holder has, among all processes of this machine. */
export type Release = () => void;

/**
 * Takes the lock `path` if it is free.
 *
 * It is the lock of an empty SQLite database, so the kernel itself frees it when its holder dies:
 * there is no stale lock to be recognized, and none to be taken from the living by mistake.
 */
export async function tryLock(path: string): Promise<Release | undefined> {
  const { DatabaseSync } = await import('node:sqlite');
  const database = new DatabaseSync(path);
  try {
    database.exec('PRAGMA busy_timeout = 0; PRAGMA journal_mode = MEMORY; BEGIN EXCLUSIVE');
    return () => database.close();
  } catch (error) {
    database.close();
    if (isBusy(error)) return undefined;
    throw new ImgkitError('OPERATION_FAILED', `${path} cannot be locked`, {
      resource: path,
      hint: 'The directory must be on a file system with locks, and writable by this user.',
      cause: error,
    });
  }
}

/** Takes the lock `path`, and calls `onWait` once if that takes waiting for its holder. */
export async function takeLock(
  path: string,
  signal: AbortSignal | undefined,
  onWait: () => void,
): Promise<Release> {
  for (let tries = 0; ; tries += 1) {
    throwIfAborted(signal, 'waiting for another build');
    const lock = await tryLock(path);
    if (lock !== undefined) return lock;
    if (tries === 0) onWait();
    await new Promise((resolve) => setTimeout(resolve, retryEveryMs));
  }
}

function isBusy(error: unknown): boolean {
  const busy = 5;
  return error instanceof Error && Reflect.get(error, 'errcode') === busy;
}
