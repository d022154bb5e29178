import { mkdir, statfs } from 'node:fs/promises';
import { join } from 'node:path';
import { Database } from '../local/database.ts';
import { ImgkitError } from '../spec/errors.ts';
import { migrations } from './journal-schema.ts';
import { messageOf } from './recorded-error.ts';

/** File systems on which SQLite's locks can't be trusted, by the number that `statfs` gives. */
const networkFileSystems = new Map([
  [0x6969, 'NFS'],
  [0x517b, 'SMB'],
  [0xff534d42, 'CIFS'],
  [0xfe534d42, 'SMB2'],
]);

/**
 * Opens the journal in `directory`, making both when they are missing, readable by their owner only.
 *
 * @throws {@link ImgkitError} `FAILED_PRECONDITION` when the directory can't be used, lies on a network file
 * system, or its journal was written by a newer version; `UNAVAILABLE` when other processes lock it for long;
 * `UNSUPPORTED` when this Node has no SQLite.
 */
export async function openJournalFile(directory: string): Promise<Database> {
  try {
    await mkdir(directory, { recursive: true, mode: 0o700 });
  } catch (error) {
    throw new ImgkitError(
      'FAILED_PRECONDITION',
      `the journal can't be opened: ${messageOf(error)}`,
      {
        resource: directory,
        hint: 'Give the engine a directory that this user may write to.',
        cause: error,
      },
    );
  }
  const network = networkFileSystems.get((await statfs(directory)).type);
  if (network !== undefined) {
    throw new ImgkitError(
      'FAILED_PRECONDITION',
      `the journal would lie on ${network}, where its locks don't hold`,
      {
        resource: directory,
        hint: 'Give the engine a directory on a disk of this machine.',
      },
    );
  }
  return Database.open(join(directory, 'journal.db'), {
    subject: 'the journal',
    migrations,
    busyTimeoutMs: 10_000,
    damagedHint: 'Move it away: runs in it are lost, their resources are not (see their labels).',
  });
}
