import { createHmac } from 'node:crypto';

import type { EmulatedBlobs } from './blob-account.ts';

type StorageKey = Pick<EmulatedBlobs, 'account' | 'key'>;

/** What a signature allows, and until when. */
export interface SharedAccess {
  /** `r` reads, `w` writes, `c` creates, `d` deletes, `l` lists; in Azure's order. */
  readonly permissions: string;
  /** When it ends, in ms since 1970. */
  readonly expiresAt: number;
}

const version = '2022-11-02';

/**
 * The query that lets its holder use one blob.
 *
 * @param blob - Its container and name: `vhds/web.vhd`.
 * @see https://learn.microsoft.com/rest/api/storageservices/create-service-sas
 */
export function signBlob(
  { account, key }: StorageKey,
  blob: string,
  { permissions, expiresAt }: SharedAccess,
): string {
  const until = instant(expiresAt);
  const resource = `/blob/${account}/${blob}`;
  const lines = [permissions, '', until, resource, '', '', '', version, 'b', ...Array(7).fill('')];
  const sig = sign(key, lines);
  return new URLSearchParams({ sp: permissions, se: until, sv: version, sr: 'b', sig }).toString();
}

/**
 * The query that lets its holder use all blobs of an account.
 *
 * @see https://learn.microsoft.com/rest/api/storageservices/create-account-sas
 */
export function signAccount(
  { account, key }: StorageKey,
  { permissions, expiresAt }: SharedAccess,
): string {
  const until = instant(expiresAt);
  const [services, types] = ['b', 'sco'];
  const lines = [account, permissions, services, types, '', until, '', '', version, '', ''];
  const sig = sign(key, lines);
  return new URLSearchParams({
    sp: permissions,
    ss: services,
    srt: types,
    se: until,
    sv: version,
    sig,
  }).toString();
}

function sign(key: string, lines: readonly string[]): string {
  return createHmac('sha256', Buffer.from(key, 'base64')).update(lines.join('\n')).digest('base64');
}

function instant(ms: number): string {
  return `${new Date(ms).toISOString().slice(0, 19)}Z`;
}
