import type { JsonObject } from '../control-plane/json.ts';
import { policyOf, type PolicyBinding } from './iam.ts';
import type { RateLimits } from './rates.ts';
import { imageType } from './resources.ts';
import { putLabels } from './services/labels.ts';
import { newResource, type Project, type World } from './state.ts';

/** An image that is simply there, without an operation. */
export interface SeededImage {
  readonly name: string;
  readonly family?: string | undefined;
  /** In GB of 2^30 bytes; 10 by default. */
  readonly diskSizeGb?: number | undefined;
  readonly labels?: Readonly<Record<string, string>> | undefined;
  /** Further fields, as the API names them: `architecture`, `creationTimestamp`, `deprecated`, `status`. */
  readonly fields?: JsonObject | undefined;
}

/** The state of an emulated project, past its API. */
export interface EmulatedProject {
  readonly id: string;
  /** The project's number, as a text of digits. */
  readonly number: string;
  /** Puts an image there, READY at once. */
  addImage(image: SeededImage): void;
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
  return {
    id: project.id,
    number: project.number,
    addImage({ name, family, diskSizeGb = 10, labels = {}, fields = {} }) {
      const image = imageType.add(newResource(world, imageType, project, 'global', name));
      Object.assign(image.resource, {
        family,
        sourceType: 'RAW',
        status: 'READY',
        diskSizeGb: String(diskSizeGb),
        archiveSizeBytes: String(diskSizeGb * 2 ** 28),
        storageLocations: ['us'],
        ...fields,
      });
      putLabels(image.resource, labels);
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
