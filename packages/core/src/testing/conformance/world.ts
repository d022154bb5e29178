import type { MachineTemplate } from '../../spec/capabilities/instances.ts';
import type { ImageSource } from '../../spec/image.ts';
import type { Provider } from '../../spec/provider.ts';

/** The provider under test, and what the suite needs around it. */
export interface ProviderWorld {
  /** The provider. */
  readonly provider: Provider;
  /** What new images are made of; anything that the provider takes, the smaller the better. */
  readonly source: ImageSource;
  /** A provider of another project of the same cloud: the consumer of shared images. */
  readonly consumer?: Provider | undefined;
  /** A provider of a third project of the same cloud: another consumer, who has nothing of the first one's grants. */
  readonly secondConsumer?: Provider | undefined;
  /**
   * A second provider of the same project, as another process would have it: it goes on with the
   * operations of the first one.
   */
  readonly other?: Provider | undefined;
  /** The size of the disks that the suite makes, in bytes; 1 GiB by default. */
  readonly diskSizeBytes?: number | undefined;
  /** What machines have beside the suite's own wishes, for example a small `machineType`. */
  readonly machine?: Omit<Partial<MachineTemplate>, 'boot' | 'labels'> | undefined;
  /** What machines boot from, when `source` can't boot; looked up in `source`'s images by default. */
  readonly bootSource?: ImageSource | undefined;
  /** How many requests for pages of images the cloud has got so far, when that can be told. */
  readonly pageRequests?: (() => number) | undefined;
  /** Ends what belongs to this world. Everything the suite made is removed before. */
  dispose?(): Promise<void>;
}

/** How long things may take, in milliseconds. */
export interface SuiteTimeouts {
  /** One test without machines; 20,000 by default. */
  readonly test: number;
  /** One test with machines; 300,000 by default. */
  readonly machine: number;
  /** Until the cloud agrees with itself, for example that something is gone; 2,000 by default. */
  readonly settle: number;
}
