import type { EmulatorClock } from '../control-plane/clock.ts';
import type { MutableJsonObject } from '../control-plane/json.ts';
import type { ObjectStore } from '../storage/object-store.ts';
import { alreadyExists, notFound } from './errors.ts';
import type { Hardware } from '../hardware/hardware.ts';
import { policyOf, type IamDirectory, type Policy } from './iam.ts';
import { selfLink } from './links.ts';
import type { Location } from './locations.ts';
import type { QuotaLimits } from './quotas.ts';
import { createRateCounter, type RateCounter, type RateLimits } from './rates.ts';
import { timestamp } from './values.ts';

/** Everything an emulated Compute Engine knows. */
export interface World {
  readonly clock: EmulatorClock;
  readonly projects: ReadonlyMap<string, Project>;
  /** The zones of each region. */
  readonly regions: Readonly<Record<string, readonly string[]>>;
  readonly directory: IamDirectory;
  /** How long an operation takes, in ms of the clock. */
  operationMs(operation: { readonly rpc: string; readonly targetLink: string }): number;
  /** A new resource id: 19 digits. */
  nextId(): string;
  /** The objects of the emulated Cloud Storage. */
  readonly objects: ObjectStore;
  /** The machines behind it; undefined when everything is made up. */
  readonly hardware: Hardware | undefined;
}

/** A project's own state; its resources are in the {@link ResourceType}s. */
export interface Project {
  readonly id: string;
  readonly number: string;
  policy: Policy;
  /** Limits other than the defaults, by metric (`IMAGES`) or by region and metric (`us-central1/CPUS`). */
  readonly quotas: QuotaLimits;
  rates: RateLimits;
  readonly rateCounter: RateCounter;
  /** How many operations may run at once. */
  maxOperations: number;
  /** Of images that aren't rolled out everywhere: the zones that have them, by image name. */
  readonly rollouts: Map<string, ReadonlySet<string>>;
  /** The metadata all its instances share. */
  readonly commonMetadata: MutableJsonObject;
}

export function createProject(id: string, number: string, rates: RateLimits): Project {
  return {
    id,
    number,
    policy: policyOf([]),
    quotas: new Map(),
    rates,
    rateCounter: createRateCounter(number),
    maxOperations: Infinity,
    rollouts: new Map(),
    commonMetadata: {},
  };
}

/** A resource. Services extend it by what they must know and don't answer. */
export interface Stored {
  readonly project: Project;
  readonly location: Location;
  readonly name: string;
  /** `projects/p/global/images/i` */
  readonly link: string;
  /** What `get` answers. */
  readonly resource: MutableJsonObject;
  policy: Policy;
}

/** The words of a kind of resource. */
export interface ResourceWords {
  /** In its URL: `images`. */
  readonly collection: string;
  /** `image`: the name of the path's parameter, the word in messages, and the kind `compute#image`. */
  readonly singular: string;
}

/** A kind of resource, and all of that kind: `images`, `disks`. */
export class ResourceType<R extends Stored> {
  readonly collection: string;
  readonly singular: string;
  readonly #tables = new WeakMap<Project, Map<string, R>>();

  constructor({ collection, singular }: ResourceWords) {
    this.collection = collection;
    this.singular = singular;
  }

  /** `projects/p/global/images/i` */
  link(project: string, location: Location, name: string): string {
    return `projects/${project}/${location}/${this.collection}/${name}`;
  }

  find(project: Project, location: Location, name: string): R | undefined {
    return this.#table(project).get(this.link(project.id, location, name));
  }

  /** The resource, or the answer 404. */
  require(project: Project, location: Location, name: string): R {
    const found = this.find(project, location, name);
    if (!found) throw notFound(this.link(project.id, location, name));
    return found;
  }

  /** All of a project, or those in a location. */
  all(project: Project, location?: Location): R[] {
    const records = [...this.#table(project).values()];
    return location === undefined
      ? records
      : records.filter((record) => record.location === location);
  }

  /** Adds a resource, or answers 409. */
  add(record: R): R {
    const table = this.#table(record.project);
    if (table.has(record.link)) throw alreadyExists(record.link);
    table.set(record.link, record);
    return record;
  }

  /** Removes a resource, if it is still the one that stands there. */
  remove(record: R): void {
    const table = this.#table(record.project);
    if (table.get(record.link) === record) table.delete(record.link);
  }

  /** Whether a resource is still there. */
  has(record: R): boolean {
    return this.#table(record.project).get(record.link) === record;
  }

  #table(project: Project): Map<string, R> {
    const known = this.#tables.get(project);
    if (known) return known;
    const made = new Map<string, R>();
    this.#tables.set(project, made);
    return made;
  }
}

/** What a new resource must know of its kind. */
type ResourceNaming = Pick<ResourceType<Stored>, 'singular' | 'link'>;

/** What every new resource has: id, kind, links, time of creation. */
export function newResource(
  world: World,
  type: ResourceNaming,
  project: Project,
  location: Location,
  name: string,
): Stored {
  const link = type.link(project.id, location, name);
  const [kind, place] = location.split('/');
  const where = selfLink(`projects/${project.id}/${location}`);
  return {
    project,
    location,
    name,
    link,
    policy: policyOf([]),
    resource: {
      kind: `compute#${type.singular}`,
      id: world.nextId(),
      creationTimestamp: timestamp(world.clock.now()),
      name,
      selfLink: selfLink(link),
      ...(kind === 'zones' && place ? { zone: where } : {}),
      ...(kind === 'regions' && place ? { region: where } : {}),
    },
  };
}
