import { createHash, getHashes, type Hash } from 'node:crypto';

/** Digests of bytes as they pass, by the names that Glance gives the algorithms; those that Node has not are left out. */
export class Digests {
  readonly #hashes: ReadonlyMap<string, Hash>;

  constructor(algorithms: readonly string[]) {
    const known = algorithms.filter((name) => getHashes().includes(name));
    this.#hashes = new Map(known.map((name) => [name, createHash(name)]));
  }

  update(chunk: Uint8Array): void {
    for (const hash of this.#hashes.values()) hash.update(chunk);
  }

  /** All digests, in hexadecimal. */
  end(): Readonly<Record<string, string>> {
    return Object.fromEntries(
      Array.from(this.#hashes, ([name, hash]) => [name, hash.digest('hex')]),
    );
  }
}
