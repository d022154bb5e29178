import { open } from 'node:fs/promises';

import { ImgkitError } from '@imgkit/core';

/** What a machine resumed from a saved state becomes. */
export interface Identity {
  /** Differs for every start: a guest acts when it reads another one than before. */
  readonly nonce: string;
  /** The shell script that gives the guest its new identity; empty for one that just boots. */
  readonly script: string;
}

/** The size of the record at the end of a seed disk, in bytes. */
export const identityBytes = 64 * 1024;

/** The block size in which guests read the record, in bytes: what direct reads need. */
export const identityBlock = 4096;

/** Makes the record: a block with one line of text, then the script. */
export function identityRecord(identity: Identity): Buffer {
  if (!/^[\w-]{1,64}$/.test(identity.nonce)) {
    throw new ImgkitError('INVALID_ARGUMENT', 'a nonce has 1 to 64 letters, digits, _ and -');
  }
  const script = Buffer.from(identity.script);
  const record = Buffer.alloc(identityBytes);
  if (identityBlock + script.length > identityBytes) {
    throw new ImgkitError(
      'INVALID_ARGUMENT',
      `an identity script of ${script.length} bytes is too long`,
    );
  }
  record.write(header(identity.nonce, script.length, 0));
  script.copy(record, identityBlock);
  return record;
}

/**
 * Changes the record of a running machine so that a guest that waits for a new identity stops
 * waiting: it is the one that was saved, and goes on as it is.
 *
 * @param offset - Where the record begins in the seed disk `path`, in bytes.
 */
export async function endWaiting(path: string, offset: number): Promise<void> {
  await using file = await open(path, 'r+');
  const block = Buffer.alloc(identityBlock);
  await file.read(block, 0, block.length, offset);
  const [, nonce, bytes, saves] =
    /^imgkit-identity 1 (\S+) (\d+) (\d+)\n/.exec(block.toString()) ?? [];
  if (nonce === undefined) {
    throw new ImgkitError('FAILED_PRECONDITION', `${path} holds no identity record`);
  }
  block.fill(0).write(header(nonce, Number(bytes), Number(saves) + 1));
  await file.write(block, 0, block.length, offset);
}

function header(nonce: string, bytes: number, saves: number): string {
  return `imgkit-identity 1 ${nonce} ${bytes} ${saves}\n`;
}
