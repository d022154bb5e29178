import type { EmulatorClock } from '../control-plane/clock.ts';
import {
  objectOf,
  textOf,
  type JsonObject,
  type MutableJsonObject,
} from '../control-plane/json.ts';
import type { SoftDeleted } from './galleries/soft-deletion.ts';
import type { EmulatedMarketplaceImage } from './marketplace/marketplace.ts';
import type { Hardware } from '../hardware/hardware.ts';
import type { EmulatedGuest } from './machines/guest.ts';
import type { MachineRecord } from './machines/machine-record.ts';
import type { OperationRecord } from './operations.ts';
import type { RateCounter } from './rates.ts';
import type { MemberRecord, ScaleSetRecord } from './scale-sets/records.ts';
import { idKey, isOfType, parseArmId } from './resource-id.ts';
import type { BlobAccount } from './storage/blob-account.ts';
import type { DiskContents } from './storage/disk-contents.ts';
import type { KnownBlob } from './storage/known-blobs.ts';

/** Everything an emulated Azure knows. */
export interface World {
  readonly clock: EmulatorClock;
  readonly subscriptions: ReadonlySet<string>;
  readonly resources: Resources;
  /** The role assignments, by the key of their id. */
  readonly assignments: Map<string, RoleAssignment>;
  readonly operations: Map<string, OperationRecord>;
  /** What was deleted and can be had back, by the key of its id. */
  readonly softDeleted: Map<string, SoftDeleted>;
  /** The images of the marketplace, by the key of their names. */
  readonly marketplace: Map<string, EmulatedMarketplaceImage>;
  /** The purchase plans whose terms were accepted, by the key of their names. */
  readonly acceptedTerms: Set<string>;
  /** The names of properties that no description has yet. */
  readonly futureFields: ReadonlySet<string>;
  /** Whether answers write ids in other case, and regions as people read them. */
  readonly otherSpelling: boolean;
  /** The tenant of all subscriptions. */
  readonly tenant: string;
  /** What is known of page blobs, by address. */
  readonly blobs: Map<string, KnownBlob>;
  /** Where blobs are; without it, they are only said to be. */
  readonly storage: BlobAccount | undefined;
  /** The bytes of disks, where there are blobs to keep them in. */
  readonly contents: DiskContents | undefined;
  readonly rates: RateCounter;
  /** The keys of the ids of machines that aren't well, and of images whose machines aren't. */
  readonly unhealthy: Set<string>;
  /** Who looks again when something may have changed, given the id of what did. */
  readonly watchers: Set<(id: string) => void>;
  /** The real things behind the resources; without it, they are only said to exist. */
  readonly hardware: Hardware | undefined;
  /** What guests are without it. */
  readonly guest: EmulatedGuest;
  /** How many items a page of a list has. */
  readonly pageSize: number;
  /** How long an operation takes, in ms of the clock. */
  operationMs(operation: { readonly rpc: string; readonly id: string }): number;
  /** A new GUID; always the same ones in the same order. */
  nextGuid(): string;
}

/** Who may do what, and where. */
export interface RoleAssignment {
  readonly id: string;
  readonly scope: string;
  /** The object id of a user, group or service principal. */
  readonly principal: string;
  /** The GUID of the role, in lower case. */
  readonly role: string;
  readonly principalType: string;
  readonly createdOn: string;
}

/** How a version is being replicated. */
export interface Replication {
  readonly startedAt: number;
  /** How long the whole takes, in ms. */
  readonly ms: number;
  /** The names of the regions that were there before. */
  readonly settled: ReadonlySet<string>;
}

/** A resource. */
export interface Stored {
  readonly id: string;
  /** What `get` answers. */
  readonly resource: MutableJsonObject;
  replication?: Replication | undefined;
  /** How far a restore point is that comes from another region. */
  copying?: { readonly startedAt: number; readonly ms: number } | undefined;
  /** What a scale set knows beside what it answers. */
  scaleSet?: ScaleSetRecord | undefined;
  /** What a machine of a scale set was made of. */
  member?: MemberRecord | undefined;
  /** What a machine is beside that. */
  machine?: MachineRecord | undefined;
}

/** All resources, of all subscriptions. */
export class Resources {
  readonly #byKey = new Map<string, Stored>();

  find(id: string): Stored | undefined {
    return this.#byKey.get(idKey(id));
  }

  /** Those right below a scope, of one collection: `…/galleries/g` and `images`. */
  below(prefix: string): readonly Stored[] {
    const start = idKey(prefix);
    return [...this.#byKey]
      .filter(([key]) => key.startsWith(start) && !key.slice(start.length).includes('/'))
      .toSorted(([a], [b]) => a.localeCompare(b))
      .map(([, stored]) => stored);
  }

  /** Those of a type in a whole subscription, or in all of them. */
  ofType(type: string, subscription?: string): readonly Stored[] {
    return [...this.#byKey.values()]
      .filter(({ id }) => isOfType(id, type))
      .filter(({ id }) => subscription === undefined || sameIn(id, subscription))
      .toSorted((a, b) => idKey(a.id).localeCompare(idKey(b.id)));
  }

  ids(): readonly string[] {
    return [...this.#byKey.values()].map(({ id }) => id);
  }

  add(stored: Stored): Stored {
    this.#byKey.set(idKey(stored.id), stored);
    return stored;
  }

  /** Removes a resource, if it is still the one that stands there. */
  remove(stored: Stored): void {
    if (this.find(stored.id) === stored) this.#byKey.delete(idKey(stored.id));
  }
}

function sameIn(id: string, subscription: string): boolean {
  return idKey(parseArmId(id)?.subscription ?? '') === idKey(subscription);
}

/** A new resource, with what a request said about it. */
export function newResource(id: string, body: JsonObject, properties: JsonObject): Stored {
  const { type, names = [] } = parseArmId(id) ?? {};
  const { tags = {}, sku, zones } = body;
  return {
    id,
    resource: {
      id,
      name: names.at(-1) ?? '',
      type: type ?? 'Microsoft.Resources/resourceGroups',
      location: (textOf(body, 'location') ?? '').toLowerCase().replaceAll(' ', ''),
      tags,
      ...(sku === undefined ? {} : { sku }),
      ...(zones === undefined ? {} : { zones }),
      properties,
    },
  };
}

/** The properties of a resource: a copy. */
export function propertiesOf({ resource }: Pick<Stored, 'resource'>): MutableJsonObject {
  return { ...objectOf(resource, 'properties') };
}

/** Changes properties of a resource. */
export function setProperties(stored: Stored, changes: JsonObject): void {
  stored.resource['properties'] = { ...propertiesOf(stored), ...changes };
}

export function stateOf(stored: Stored): string {
  return textOf(propertiesOf(stored), 'provisioningState') ?? 'Succeeded';
}
