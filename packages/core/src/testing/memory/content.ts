import { createHash } from 'node:crypto';

/** What is on a disk: some bytes, and zeros up to its size. It never changes; a written disk gets another. */
export interface Content {
  readonly sizeBytes: number;
  readonly data: Uint8Array;
}

/** An empty disk. */
export function emptyContent(sizeBytes: number): Content {
  return { sizeBytes, data: new Uint8Array() };
}

/** The same content on a larger disk. */
export function grown(content: Content, sizeBytes: number | undefined): Content {
  return sizeBytes === undefined ? content : { ...content, sizeBytes };
}

/** The digest of what was given, and of the size where the disk is larger than that. */
export function digestOf({ data, sizeBytes }: Content): string {
  const hash = createHash('sha256').update(data);
  if (sizeBytes !== data.length) hash.update(`+${sizeBytes - data.length}`);
  return `sha256:${hash.digest('hex')}`;
}
