import { createHash } from 'node:crypto';

/** A segment of a large object. */
export interface Segment {
  /** `/container/object`. */
  readonly path: string;
  readonly etag: string;
  readonly sizeBytes: number;
}

/** An object: its bytes, or what it is put together from. */
export interface StoredObject {
  readonly content: Buffer | readonly Segment[];
  readonly etag: string;
  readonly sizeBytes: number;
  readonly contentType: string;
  readonly metadata: Readonly<Record<string, string>>;
  readonly modified: number;
}

type Container = Map<string, StoredObject>;

/** The objects of all accounts, in memory. */
export class ObjectStore {
  readonly #accounts = new Map<string, Map<string, Container>>();

  /** The containers of an account. */
  containers(account: string): Map<string, Container> {
    const containers = this.#accounts.get(account) ?? new Map<string, Container>();
    this.#accounts.set(account, containers);
    return containers;
  }

  find(account: string, container: string, object: string): StoredObject | undefined {
    return this.containers(account).get(container)?.get(object);
  }

  /** The bytes of an object; of a large one those of its segments, one behind the other. */
  read(account: string, { content }: StoredObject): Buffer {
    if (Buffer.isBuffer(content)) return content;
    const parts = content.map(({ path }) => {
      const [, container = '', ...rest] = path.split('/');
      const part = this.find(account, container, rest.join('/'));
      if (part === undefined) throw new Error(`segment ${path} is gone`);
      return this.read(account, part);
    });
    return Buffer.concat(parts);
  }
}

/** The digest of an object's bytes. */
export function md5(bytes: Buffer | string): string {
  return createHash('md5').update(bytes).digest('hex');
}
