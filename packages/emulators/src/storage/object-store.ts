/** An object in a bucket. Its bytes are a file. */
export interface StoredObject {
  readonly bucket: string;
  readonly name: string;
  /** Where its bytes are on this machine. */
  readonly path: string;
  /** In bytes. */
  readonly size: number;
}

/** The objects of an emulated Cloud Storage. */
export interface ObjectStore {
  find(bucket: string, name: string): StoredObject | undefined;
}
