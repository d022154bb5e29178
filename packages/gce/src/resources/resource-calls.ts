import {
  ImgkitError,
  type CallOptions,
  type Labels,
  type Operation,
  type OperationControl,
} from '@imgkit/core';

import type { WireObject, WireRequest } from '../api/wire.ts';
import type { ApiService, CloudOperation } from '../client.ts';
import { tokenOf, type GceContext } from '../context.ts';
import { makeOnce, type Creation } from './creation.ts';
import { hasLabels, labelFilter } from './labels.ts';
import { parseIdOf, regionOf, zoneOf, type ResourceId } from './resource-id.ts';

/** What all of them have. */
interface Shown {
  readonly name: string;
  readonly status: string;
  readonly labels: Labels;
}

/** What tells one kind of resources from others: where the API has them, and how they are shown. */
export interface ResourceKind<T extends Shown = Shown> extends Place {
  readonly show: (native: WireObject) => T;
}

/** Where the API has one kind of resources. */
export interface Place {
  /** In words: `disk`. */
  readonly what: string;
  /** The API's service, also the word in ids: `disks`. */
  readonly service: ApiService & ('disks' | 'instances' | 'machineImages' | 'snapshots');
  /** The field that names one in requests. */
  readonly field: 'disk' | 'instance' | 'machineImage' | 'snapshot';
  /** Whether each is in a zone, so that a listing goes over all zones. */
  readonly zonal: boolean;
}

/** Which of them to list, beside what {@link listResources} is told. */
interface Filter {
  readonly name?: string | undefined;
  readonly labels?: Labels | undefined;
}

/**
 * Where a resource is.
 *
 * @throws {@link ImgkitError} with `NOT_FOUND` if the id is none of this kind: nothing can be there.
 */
export function locate(kind: Place, id: string): ResourceId {
  const found = parseIdOf(kind.service, id);
  if (found !== undefined) return found;
  const scope = kind.zonal ? 'zones/us-central1-a' : 'global';
  throw new ImgkitError('NOT_FOUND', `"${id}" is not the id of a ${kind.what}`, {
    resource: id,
    hint: `Ids look like projects/acme/${scope}/${kind.service}/web-1.`,
  });
}

/** The service and the fields with which one resource is asked for. */
export function callOn(
  kind: Place,
  id: string,
): { readonly service: ApiService; readonly request: Record<string, string> } {
  const { project, scope, name } = locate(kind, id);
  const [zone, region] = [zoneOf(scope), regionOf(scope)];
  const request = { project, [kind.field]: name };
  if (zone !== undefined) return { service: kind.service, request: { ...request, zone } };
  if (region === undefined) return { service: kind.service, request };
  // Disks that stand in two zones have a service of their own.
  return { service: 'regionDisks', request: { ...request, region } };
}

/** Reads one resource as Google has it. */
export async function readResource(
  context: GceContext,
  kind: Place,
  id: string,
  options?: CallOptions,
): Promise<WireObject> {
  return context.client.read({ ...callOn(kind, id), method: 'get' }, options);
}

/** Lists the resources of the provider's project, newest first where Google can. */
export function listResources<T extends Shown>(
  context: GceContext,
  kind: ResourceKind<T>,
  { name, labels }: Filter = {},
  matches: (item: T) => boolean = () => true,
  options?: CallOptions,
): AsyncIterable<T> {
  const { client, project } = context;
  const call = `${kind.service}.list`;
  return context.listing(call, undefined, options, async function* pagewise() {
    const terms = [...(name === undefined ? [] : [`name="${name}"`]), ...labelFilter(labels)];
    const request = { project, filter: terms.length === 0 ? undefined : terms.join(' AND ') };
    const method = kind.zonal ? 'aggregatedList' : 'list';
    for await (const { items } of client.pages({ service: kind.service, method, request }, options))
      for (const native of items) {
        const item = kind.show(native);
        const named = name === undefined || item.name === name;
        if (named && hasLabels(item.labels, labels) && matches(item)) yield item;
      }
  });
}

/** Deletes one resource; deleting what is gone succeeds. */
export function deleteResource(
  context: GceContext,
  kind: ResourceKind,
  id: string,
  options?: CallOptions,
): Operation<void> {
  const call = `${kind.service}.delete`;
  return context.operation(call, id, options, async (control) => {
    const { signal } = control;
    let started: CloudOperation;
    try {
      const mutation = { ...callOn(kind, id), method: 'delete', target: id };
      started = await context.client.start(mutation, { signal });
    } catch (error) {
      if (ImgkitError.is(error, 'NOT_FOUND')) return;
      throw error;
    }
    await context.wait(control, tokenOf(call, started, id), `deleting the ${kind.what}`);
  });
}

/** Says how the creation and the deletion of a kind are continued from their tokens. */
export function resumeResource<T extends Shown>(
  context: GceContext,
  kind: ResourceKind<T>,
  create = 'create',
): void {
  context.onResume(`${kind.service}.${create}`, async (token, control) => {
    await context.waitAgain(control, token, `making the ${kind.what}`);
    return kind.show(await settled(context, kind, token.target, ['PENDING'], control));
  });
  context.onResume(`${kind.service}.delete`, async (token, control) => {
    const read = () => readResource(context, kind, token.target, control);
    await context.waitUntilGone(control, token, `deleting the ${kind.what}`, read);
  });
}

/**
 * Waits until a resource has left some statuses: Google's operations may end before the resource says so.
 *
 * @param known - What was read of it last, if anything.
 */
export async function settled(
  context: GceContext,
  kind: ResourceKind,
  id: string,
  passing: readonly string[],
  { signal }: { readonly signal: AbortSignal },
  known?: WireObject,
): Promise<WireObject> {
  let native = known ?? (await readResource(context, kind, id, { signal }));
  for (
    let delayMs = 200;
    passing.includes(kind.show(native).status);
    delayMs = Math.min(delayMs * 2, 10_000)
  ) {
    await context.clock.sleep(delayMs, signal);
    native = await readResource(context, kind, id, { signal });
  }
  return native;
}

/**
 * Makes a resource once for a key, and waits until it stands.
 *
 * @param made - The service, method and body; the id it will have; the key.
 */
export async function makeResource<T extends Shown>(
  context: GceContext,
  kind: ResourceKind<T>,
  {
    id,
    ...made
  }: Pick<Creation, 'id' | 'key'> & { readonly request: WireRequest; readonly call?: string },
  control: OperationControl,
): Promise<T> {
  const { call = `${kind.service}.create`, key, request } = made;
  const native = await makeOnce(
    context,
    {
      call,
      what: `making the ${kind.what}`,
      mutation: { service: kind.service, method: 'insert', request, target: id },
      id,
      key,
      find: () => readResource(context, kind, id, control),
    },
    control,
  );
  return kind.show(await settled(context, kind, id, ['PENDING'], control, native));
}
