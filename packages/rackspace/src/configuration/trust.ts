import { readFile } from 'node:fs/promises';

import { ImgkitError } from '@imgkit/core';

import type { Trust } from '../http/transport.ts';
import type { CloudConfig } from './cloud-config.ts';

/**
 * Reads whom a cloud's configuration trusts: `cacert`, `cert` with `key`, `verify`.
 *
 * @throws {@link ImgkitError} with `NOT_FOUND` for a file that isn't there, `INVALID_ARGUMENT` for one that is none.
 */
export async function readTrust({
  cacert,
  cert,
  key,
  verify,
  insecure,
}: CloudConfig): Promise<Trust | undefined> {
  const blind = verify === false || (insecure === true && verify !== true);
  if (cacert === undefined && cert === undefined && !blind) return undefined;
  return {
    authorities: cacert === undefined ? undefined : await readPem('cacert', cacert),
    // One file may hold both.
    certificate:
      cert === undefined
        ? undefined
        : { chain: await readPem('cert', cert), key: await readPem('key', key ?? cert) },
    blind,
  };
}

async function readPem(what: string, path: string): Promise<string> {
  let text: string;
  try {
    text = await readFile(path, 'utf8');
  } catch (error) {
    throw new ImgkitError('NOT_FOUND', `the file of ${what}, ${path}, can't be read`, {
      resource: path,
      hint: 'Give the path of a PEM file.',
      cause: error,
    });
  }
  if (text.includes('-----BEGIN ')) return text;
  throw new ImgkitError('INVALID_ARGUMENT', `the file of ${what}, ${path}, is no PEM file`, {
    resource: path,
    hint: 'It begins with -----BEGIN CERTIFICATE----- or the like.',
  });
}
