import { createHash, randomUUID } from 'node:crypto';

/**
 * The id of a request: a random UUID, or, with a key, always the same one for the same parts, in every
 * process. Google carries out requests of one id once, as long as it remembers them (an hour).
 */
export function requestIdOf(key: string | undefined, ...parts: readonly string[]): string {
  if (key === undefined) return randomUUID();
  const bytes = createHash('sha256')
    .update(JSON.stringify(['imgkit-gce', key, ...parts]))
    .digest()
    .subarray(0, 16);
  // Version 8 of RFC 9562: a UUID of one's own making.
  bytes.writeUInt8((bytes.readUInt8(6) & 0x0f) | 0x80, 6);
  bytes.writeUInt8((bytes.readUInt8(8) & 0x3f) | 0x80, 8);
  return bytes.toString('hex').replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5');
}

/** What a resource carries of the key it was made with, as the value of a label. */
export function keyDigest(key: string): string {
  return createHash('sha256').update(`imgkit-gce ${key}`).digest('hex').slice(0, 40);
}
