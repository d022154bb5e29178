import type { FaultEffect } from '../control-plane/faults.ts';
import type { JsonObject } from '../control-plane/json.ts';
import { createAccess, type Access } from './access.ts';
import type { MethodDescription } from './api-description.ts';
import { forbidden } from './errors.ts';
import type { Caller } from './iam.ts';
import { readReference, type Reference } from './links.ts';
import type { Location } from './locations.ts';
import { startOperation, type OperationPlan, type OperationRecord } from './operations.ts';
import type { Project, ResourceType, Stored, World } from './state.ts';

/** A request that has passed the check, for the handler of its method. */
export interface CallParts {
  readonly world: World;
  readonly project: Project;
  readonly caller: Caller;
  readonly method: MethodDescription;
  readonly parameters: Readonly<Record<string, string>>;
  readonly search: URLSearchParams;
  /** The body; empty when there is none. */
  readonly body: JsonObject;
  readonly effects: readonly FaultEffect[];
  /** Aborted when the caller has gone. */
  readonly gone: AbortSignal;
}

/** Carries out a method of the API, and gives its answer: a resource, a list, or an operation. */
export type Handler = (call: Call) => JsonObject | Promise<JsonObject>;

/** The handlers of a service, by method: `Insert`. */
export type Service = Readonly<Record<string, Handler>>;

/** A request, with what a handler does with it. */
export class Call {
  readonly parts: CallParts;
  readonly world: World;
  /** The project in the path. */
  readonly project: Project;
  readonly body: JsonObject;
  /** The zone or region in the path, or `global`. */
  readonly location: Location;
  /** The operation that this call started. */
  started: OperationRecord | undefined;

  readonly #access: Access;

  constructor(parts: CallParts) {
    this.parts = parts;
    this.#access = createAccess(parts.world, parts.caller);
    this.world = parts.world;
    this.project = parts.project;
    this.body = parts.body;
    const { zone, region } = parts.parameters;
    this.location = zone ? `zones/${zone}` : region ? `regions/${region}` : 'global';
  }

  /** A parameter of the path. */
  param(name: string): string {
    return this.parts.parameters[name] ?? '';
  }

  /** A parameter of the query; undefined when it is missing or empty. */
  query(name: string): string | undefined {
    return this.parts.search.get(name) || undefined;
  }

  /** Whether a parameter of the query is `true`. */
  flag(name: string): boolean {
    return this.query(name) === 'true';
  }

  /** Whether the caller has a permission on a project or a resource. */
  permitted(permission: string, on: Project | Stored): boolean {
    return this.#access.permitted(permission, on);
  }

  /** Answers 403 unless the caller has a permission. */
  permit(permission: string, on: Project | Stored): void {
    this.#access.permit(permission, on);
  }

  /**
   * The resource that the path names, when the caller has the permission. Those without it learn nothing: a missing
   * resource and a hidden one are refused alike.
   */
  target<R extends Stored>(type: ResourceType<R>, permission: string): R {
    const name = this.param(type.singular) || this.param('resource');
    const found = type.find(this.project, this.location, name);
    if (found) this.permit(permission, found);
    else if (!this.permitted(permission, this.project)) {
      throw forbidden(permission, type.link(this.project.id, this.location, name));
    }
    return found ?? type.require(this.project, this.location, name);
  }

  /** Reads a reference in a field; the gaps of a partial one are filled from this call's path. */
  refer(field: string, text: string, collection: string, location = this.location): Reference {
    return readReference(field, text, { project: this.project.id, location, collection });
  }

  /** The resource that a field refers to, when the caller may use it. */
  referred<R extends Stored>(
    field: string,
    text: string,
    type: ResourceType<R>,
    permission: string,
    location = this.location,
  ): R {
    const reference = this.refer(field, text, type.collection, location);
    const link = type.link(reference.project, reference.location, reference.name);
    const project = this.world.projects.get(reference.project);
    const found = project && type.find(project, reference.location, reference.name);
    if (found) this.permit(permission, found);
    else if (!project || !this.permitted(permission, project)) throw forbidden(permission, link);
    return found ?? type.require(project, reference.location, reference.name);
  }

  /** Starts an operation and gives it as the answer. */
  start(plan: OperationPlan): JsonObject {
    const { world, project, caller, method, effects } = this.parts;
    this.started = startOperation({ world, project, caller, rpc: method.rpc, effects }, plan);
    return this.started.resource;
  }
}
