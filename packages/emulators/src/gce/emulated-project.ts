import type { JsonObject } from '../control-plane/json.ts';
import { policyOf, type PolicyBinding } from './iam.ts';
import type { RateLimits } from './rates.ts';
import { imageType } from './resources.ts';
import { putLabels } from './services/labels.ts';
import { newResource, type Project, type World } from './state.ts';

/** An image that is simply there, without an operation. */
export interface SeededImage {
  /** Its name. */
  readonly name: string;
  /** The family it belongs to. */
  readonly family?: string | undefined;
  /** In GB of 2^30 bytes; 10 by default. */
  readonly diskSizeGb?: number | undefined;
  /** Its labels. */
  readonly labels?: Readonly<Record<string, string>> | undefined;
  /** Further fields, as the API names them: `architecture`, `creationTimestamp`, `deprecated`, `status`. */
  readonly fields?: JsonObject | undefined;
}

/** An image that is made of a disk file of this machine. */
export interface ImportedImage extends Omit<SeededImage, 'diskSizeGb'> {
  /** The path of the file, in a format that the provider of the machines reads. */
  readonly file: string;
}

/** The state of an emulated project, past its API. */
export interface EmulatedProject {
  /** Its id. */
  readonly id: string;
  /** The project's number, as a text of digits. */
  readonly number: string;
  /** Puts an image there, READY at once. */
  addImage(image: SeededImage): void;
  /**
   * Puts a real image there, which machines can boot from.
   *
   * @throws `Error` when the emulator has no machines.
   */
  importImage(image: ImportedImage): Promise<void>;
  /** Puts an empty bucket of Cloud Storage there. */
  addBucket(name: string, location?: string): void;
  /** Lets everyone with an account use all images of the project, as the projects with public images do. */
  makePublic(): void;
  /** Says who may do what in the project. */
  setBindings(bindings: readonly PolicyBinding[]): void;
  /**
   * Sets a quota.
   *
   * @param metric - `IMAGES`, `CPUS`.
   * @param region - one region's; all regions' or the project's by default.
   */
  setQuota(metric: string, limit: number, region?: string): void;
  /** Sets how many requests a minute it may make. What is left out stays. */
  setRates(rates: Partial<RateLimits>): void;
  /** Sets how many operations may run at once. */
  setMaxOperations(count: number): void;
  /** Says in which zones an image is rolled out; undefined for all. */
  rollOut(image: string, zones: readonly string[] | undefined): void;
}

export function emulatedProject(world: World, project: Project): EmulatedProject {
  const addImage = (image: SeededImage): void => {
    const { name, family, diskSizeGb = 10, labels = {}, fields = {} } = image;
    const added = imageType.add(newResource(world, imageType, project, 'global', name));
    Object.assign(added.resource, {
      family,
      sourceType: 'RAW',
      status: 'READY',
      diskSizeGb: String(diskSizeGb),
      archiveSizeBytes: String(diskSizeGb * 2 ** 28),
      storageLocations: ['us'],
      ...fields,
    });
    putLabels(added.resource, labels);
  };
  return {
    id: project.id,
    number: project.number,
    addImage,
    async importImage({ file, ...image }) {
      const { hardware } = world;
      if (!hardware) throw new Error('The emulator was started without machines.');
      const link = imageType.link(project.id, 'global', image.name);
      const { diskSizeBytes } = await hardware.createImage(link, { kind: 'file', path: file });
      addImage({ ...image, diskSizeGb: Math.ceil(diskSizeBytes / 2 ** 30) });
    },
    addBucket(name, location = 'US') {
      const createdAt = world.clock.now();
      world.objects.buckets.set(name, { name, project, location, createdAt });
    },
    makePublic() {
      const everyone = { role: 'roles/compute.imageUser', members: ['allAuthenticatedUsers'] };
      project.policy = policyOf([...project.policy.bindings, everyone]);
    },
    setBindings(bindings) {
      project.policy = policyOf(bindings);
    },
    setQuota(metric, limit, region) {
      project.quotas.set(region === undefined ? metric : `${region}/${metric}`, limit);
    },
    setRates(rates) {
      project.rates = { ...project.rates, ...rates };
    },
    setMaxOperations(count) {
      project.maxOperations = count;
    },
    rollOut(image, zones) {
      if (zones) project.rollouts.set(image, new Set(zones));
      else project.rollouts.delete(image);
    },
  };
}
