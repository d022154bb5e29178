import type { FaultEffect } from '../control-plane/faults.ts';
import type { Answer } from '../control-plane/http-server.ts';
import {
  textOf,
  type Json,
  type JsonObject,
  type MutableJsonObject,
} from '../control-plane/json.ts';
import { permitSource } from './access.ts';
import { notFound, parentNotFound, resourceNotFound, groupNotFound } from './errors.ts';
import { startOperation, type OperationPlan } from './operations.ts';
import { parentId, parseArmId } from './resource-id.ts';
import type { Stored, World } from './state.ts';

/** What a handler is given. */
export interface CallParts {
  readonly world: World;
  readonly rpc: string;
  /** The path of the request: the id of what it is about. */
  readonly id: string;
  readonly caller: string | undefined;
  readonly search: URLSearchParams;
  readonly body: JsonObject;
  /** Whether the request makes something only where nothing stands. */
  readonly onlyNew: boolean;
  /** The etag that what is changed must have. */
  readonly ifMatch?: string | undefined;
  readonly effects: readonly FaultEffect[];
  /** Where the emulator is: what the addresses in answers begin with. */
  readonly origin: string;
}

/** Carries out a request that has passed its check. */
export type Handler = (call: Call) => Answer | Promise<Answer>;

/** A request, with what a handler does with it. */
export class Call {
  readonly parts: CallParts;
  readonly world: World;
  readonly id: string;
  readonly body: JsonObject;

  constructor(parts: CallParts) {
    this.parts = parts;
    this.world = parts.world;
    this.id = parts.id;
    this.body = parts.body;
  }

  get subscription(): string {
    return this.id.split('/')[2] ?? '';
  }

  /** The name that the path ends with. */
  get name(): string {
    return this.id.split('/').at(-1) ?? '';
  }

  get now(): string {
    return new Date(this.world.clock.now()).toISOString();
  }

  /** What the request is about, or the answer 404. */
  target(): Stored {
    const found = this.world.resources.find(this.id);
    if (found) return found;
    const { type = '', names = [], resourceGroup = '' } = parseArmId(this.id) ?? {};
    if (type === '') throw groupNotFound(resourceGroup);
    throw resourceNotFound(type, names, resourceGroup);
  }

  /** What the request's resource is part of, or the answer 404. */
  parent(): Stored {
    const { resourceGroup = '', names = [] } = parseArmId(this.id) ?? {};
    const group = `/subscriptions/${this.subscription}/resourceGroups/${resourceGroup}`;
    const standing = this.world.resources.find(group);
    if (standing === undefined) throw groupNotFound(resourceGroup);
    if (names.length < 2) return standing;
    const found = this.world.resources.find(parentId(this.id));
    if (found === undefined) throw parentNotFound(parentId(this.id));
    return found;
  }

  /** All that a list's path is about: what stands in it, when that is there. */
  items(): readonly Stored[] {
    const above = /^(.+)\/providers\/[^/]+\/[^/]+$/.exec(this.id)?.[1];
    const scope = above ?? this.id.slice(0, this.id.lastIndexOf('/'));
    const { type = '', names = [], resourceGroup = '' } = parseArmId(scope) ?? {};
    if (this.world.resources.find(scope) === undefined)
      throw type === ''
        ? groupNotFound(resourceGroup)
        : resourceNotFound(type, names, resourceGroup);
    return this.world.resources.below(`${this.id}/`);
  }

  /** What another resource is made of, when the caller may read it. */
  source(id: string): Stored {
    const type = parseArmId(id)?.type ?? '';
    permitSource(this.world, this.parts.caller, `${type}/read`, id);
    const found = this.world.resources.find(id);
    if (found === undefined) throw notFound(id);
    return found;
  }

  /** How long what the request starts takes, in ms. */
  get ms(): number {
    return this.world.operationMs({ rpc: this.parts.rpc, id: this.id });
  }

  /** Starts an operation on the request's resource. */
  start(
    plan: Omit<OperationPlan, 'id' | 'rpc' | 'effects' | 'ms'>,
    answer: { readonly status: number; readonly body?: Json | undefined },
  ): Answer {
    const { rpc, effects, origin } = this.parts;
    const { id, ms, subscription } = this;
    const headers = startOperation(this.world, origin, subscription, {
      ...plan,
      id,
      rpc,
      effects,
      ms,
    });
    return { ...answer, headers };
  }

  /** A page of a list, with a link to the next one. */
  page(items: readonly Json[]): Answer {
    const [index = '0', ...last] = (this.parts.search.get('$skiptoken') ?? '0').split(':');
    // What comes and goes between two pages moves the others: the next page begins after the last one's last item.
    const known = items.findIndex((item) => idIn(item) === last.join(':'));
    const start = known === -1 ? Number(index) : known + 1;
    const end = start + this.world.pageSize;
    const value = items.slice(start, end);
    if (end >= items.length) return { status: 200, body: { value } };
    const search = new URLSearchParams(this.parts.search);
    search.set('$skiptoken', `${end}:${idIn(value.at(-1)) ?? ''}`);
    return {
      status: 200,
      body: { value, nextLink: `${this.parts.origin}${this.id}?${search.toString()}` },
    };
  }
}

function idIn(item: Json | undefined): string | undefined {
  return isObject(item) ? textOf(item, 'id') : undefined;
}

/** A resource as lists have it: there, Azure writes the resource group in upper case. */
export function listed(resource: Readonly<MutableJsonObject>): JsonObject {
  const id = textOf(resource, 'id') ?? '';
  return {
    ...resource,
    id: id.replace(
      /(\/resourceGroups\/)([^/]+)/i,
      (_, word, name) => word + String(name).toUpperCase(),
    ),
  };
}

/** A change as PATCH merges it: objects by their properties, `null` takes away, all else is replaced. */
export function merged(old: Json | undefined, change: Json | undefined): Json | undefined {
  if (change === undefined) return old;
  if (!isObject(change)) return change ?? undefined;
  const base: MutableJsonObject = isObject(old) ? { ...old } : {};
  for (const [key, value] of Object.entries(change)) {
    const next = merged(base[key], value);
    if (next === undefined) delete base[key];
    else base[key] = next;
  }
  return base;
}

function isObject(value: Json | undefined): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
