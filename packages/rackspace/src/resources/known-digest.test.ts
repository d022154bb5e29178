import { createHash } from 'node:crypto';

import { describe, expect, it } from 'vitest';

import type { GlanceImage } from '../glance/glance-image.ts';
import { digestNote, knownDigest } from './known-digest.ts';
import { checkArrival } from './upload.ts';

const data = Buffer.from('a disk');
const digest = (name: string, of: Uint8Array = data): string =>
  createHash(name).update(of).digest('hex');
const sent = (name: string, of: Uint8Array) => ({
  sizeBytes: of.length,
  digests: { [name]: digest(name, of) },
});
const stored: GlanceImage = {
  id: '1',
  name: 'disk',
  status: 'active',
  visibility: 'private',
  tags: [],
  created_at: '2026-11-28T00:00:00Z',
  updated_at: '2026-11-28T00:00:00Z',
  size: data.length,
  os_hash_algo: 'sha512',
  os_hash_value: digest('sha512'),
};

describe('the digest of an image that was noted when it was uploaded', () => {
  const noted: GlanceImage = { ...stored, ...digestNote(stored, digest('sha256')) };

  it('is known as long as the cloud keeps the same data', () => {
    expect(knownDigest(noted)).toBe(digest('sha256'));
    // A server's image takes over the properties of the image that the server was made of.
    const inherited = { ...noted, os_hash_value: digest('sha512', Buffer.from('another disk')) };
    expect(knownDigest(inherited)).toBeUndefined();
    expect(knownDigest(stored)).toBeUndefined();
    expect(knownDigest({ ...noted, os_hash_value: undefined })).toBeUndefined();
  });

  it('is what the data is compared with, and otherwise the digest of the cloud', () => {
    const other = Buffer.from('b disk');
    const damaged = expect.objectContaining({ code: 'OPERATION_FAILED' });
    for (const [image, name] of [[noted, 'sha256'] as const, [stored, 'sha512'] as const]) {
      expect(() => checkArrival(image, sent(name, data))).not.toThrow();
      expect(() => checkArrival(image, sent(name, other))).toThrow(damaged);
    }
  });
});
