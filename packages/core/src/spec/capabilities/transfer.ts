import type { CallOptions } from '../call-options.ts';
import type { Image } from '../image.ts';
import type { Operation } from '../operation.ts';
import type { CreateImageRequest } from './images.ts';

/** The format of a disk file. `gce-tar` and `azure-vhd` are what those clouds take as uploads. */
export type DiskFormat = 'raw' | 'qcow2' | 'vhd' | 'vmdk' | 'gce-tar' | 'azure-vhd';

/** Which formats go in and out. */
export interface TransferTraits {
  readonly importFormats: readonly DiskFormat[];
  readonly exportFormats: readonly DiskFormat[];
  /** Of what size the cloud's disks are a whole multiple, in bytes: those of other sizes get zeros at the end. 1 by default. */
  readonly diskSizeMultiple?: number | undefined;
}

/** A new image of a disk file of this machine. */
export interface ImportImageRequest extends Omit<CreateImageRequest, 'source'> {
  /** The file's path, or its content as it comes. */
  readonly from: string | AsyncIterable<Uint8Array>;
  /** Its format; found out from the content by default. The name's ending is never trusted. */
  readonly format?: DiskFormat | undefined;
  /** What the content must digest to, as `sha256:<hex>`. */
  readonly digest?: string | undefined;
}

/** Where an image shall be written. */
export interface ExportImageRequest {
  /** The id of the image. */
  readonly image: string;
  /** The path of the file to write; it stands there whole, or not at all. */
  readonly to: string;
  readonly format: DiskFormat;
}

/** A written disk file. */
export interface ExportedImage {
  readonly path: string;
  readonly format: DiskFormat;
  /** The size of the file, in bytes. */
  readonly sizeBytes: number;
  /** The digest of the file, as `sha256:<hex>`. */
  readonly digest: string;
}

/** Moves disk files between this machine and the provider, as streams. */
export interface Transfer {
  /** Which formats go in and out. */
  readonly traits: TransferTraits;
  /**
   * Uploads a disk file and makes an image of it. Aborting leaves nothing behind.
   *
   * @throws {@link ImgkitError} as `images.create` does; with `NOT_FOUND` if there is no such file;
   *   `INVALID_ARGUMENT` if it isn't of the format, points at other files, or has another digest;
   *   `QUOTA_EXCEEDED` if there is no space.
   */
  import(request: ImportImageRequest, options?: CallOptions): Operation<Image>;
  /**
   * Writes an image to a file. Aborting leaves no file behind.
   *
   * @throws {@link ImgkitError} with `NOT_FOUND`, `UNSUPPORTED` for a format not in the traits,
   *   `ALREADY_EXISTS` if the file stands, `QUOTA_EXCEEDED` if there is no space.
   */
  export(request: ExportImageRequest, options?: CallOptions): Operation<ExportedImage>;
}
