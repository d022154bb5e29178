/** What a real image is made of. Links are those of the emulator's resources: `projects/p/global/images/i`. */
export type HardwareImageSource =
  | { readonly kind: 'image'; readonly link: string }
  | { readonly kind: 'disk'; readonly link: string }
  | { readonly kind: 'snapshot'; readonly link: string }
  /** An uploaded archive, as a file of this machine: a gzipped tar file with a `disk.raw`. */
  | { readonly kind: 'archive'; readonly path: string };

/** The real things behind the resources of a control plane. Without hardware, resources are only said to exist. */
export interface Hardware {
  /** Captures an image; resolves when it can be used. */
  createImage(link: string, source: HardwareImageSource): Promise<{ readonly sizeBytes: number }>;
  /** Deletes what stands behind an image. Deleting what is gone succeeds. */
  deleteImage(link: string): Promise<void>;
}
