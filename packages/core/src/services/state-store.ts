import type { CallOptions } from '../spec/call-options.ts';

/** Records of one kind, by key. */
export interface Collection<T> {
  readonly name: string;
  /** Never there: it carries the type of the records, which are plain JSON data. */
  readonly record?: T | undefined;
}

/** One record with its key. */
export interface StoredRecord<T> {
  readonly key: string;
  readonly value: T;
}

/**
 * What the services must remember beyond what clouds can: publications, channels, plans that are being carried out. Durable, and shared by all
 * processes that use the same state directory.
 */
export interface StateStore {
  /** Gives a record, if it is there. */
  read<T>(collection: Collection<T>, key: string, options?: CallOptions): Promise<T | undefined>;
  /** Writes a record; once it resolves, the record outlives a crash of the machine. */
  write<T>(collection: Collection<T>, key: string, value: T, options?: CallOptions): Promise<void>;
  /** Removes a record, if it is there. */
  remove<T>(collection: Collection<T>, key: string, options?: CallOptions): Promise<void>;
  /** Lists the records of a collection by key. */
  list<T>(collection: Collection<T>, options?: CallOptions): AsyncIterable<StoredRecord<T>>;
  /**
   * Does `work` while nobody else, in this process or another, holds the lock of that name. The lock of
   * a process that died is free. Locks are not reentrant.
   *
   * @throws {@link ImgkitError} with `CANCELLED` if the signal aborts while waiting; what `work` throws.
   */
  lock<T>(name: string, work: () => Promise<T>, options?: CallOptions): Promise<T>;
  /** Closes the store; it isn't used afterwards. */
  close(): Promise<void>;
}
