import { randomUUID } from 'node:crypto';

import {
  ifThere,
  ImgkitError,
  type CallOptions,
  type Labels,
  type Operation,
  type OperationControl,
} from '@imgkit/core';

import type { WireObject } from '../api/wire.ts';
import { tokenOf, type AzureContext } from '../context.ts';
import { ended } from '../versions/definitions.ts';
import { isBusy, ownOf, statusOf } from '../mapping.ts';
import type { OperationToken } from './operation-token.ts';
import { formatId, parseIdOf, type ResourceId, type ResourceType } from './resource-id.ts';
import { hasLabels, keyDigest, toTags, type OwnTags } from './tags.ts';

/** What all of them have. */
interface Shown {
  readonly name: string;
  readonly labels: Labels;
}

/** What tells one kind of resources from others: where Azure has them, and how they are shown. */
export interface ResourceKind<T extends Shown> {
  /** In words: `disk`. */
  readonly what: string;
  readonly type: ResourceType;
  /** The capability's name, for messages and tokens: `disks`. */
  readonly capability: string;
  /** The call that makes one; `create` by default. */
  readonly made?: string | undefined;
  /** What is read beside the resource itself: `instanceView`. */
  readonly expand?: string | undefined;
  /** Whether Azure makes one only where none stands, when it is asked to. */
  readonly onlyNew?: boolean | undefined;
  readonly show: (native: WireObject) => T;
}

/** How one of them is made. */
interface Creation {
  readonly name: string;
  readonly labels: Labels | undefined;
  readonly idempotencyKey: string | undefined;
  /** More of the adapter's own tags. */
  readonly own?: OwnTags | undefined;
  /** What the guest may read, in tags. */
  readonly metadata?: Labels | undefined;
  /** What Azure is sent, but the tags. */
  readonly body: WireObject;
}

/**
 * Where a resource is.
 *
 * @throws {@link ImgkitError} with `NOT_FOUND` if the id is none of this kind: nothing can be there.
 */
function locate<T extends Shown>(kind: ResourceKind<T>, id: string): ResourceId {
  const found = parseIdOf(kind.type, id);
  if (found !== undefined) return found;
  throw new ImgkitError('NOT_FOUND', `"${id}" is not the id of a ${kind.what}`, {
    resource: id,
    hint: `Ids look like /subscriptions/…/resourceGroups/…/providers/${kind.type}/web-1.`,
  });
}

/** Reads one resource as Azure has it. */
export async function readResource<T extends Shown>(
  { client }: AzureContext,
  kind: ResourceKind<T>,
  id: string,
  options?: CallOptions,
): Promise<WireObject> {
  return client.get(formatId(locate(kind, id)), { ...options, expand: kind.expand });
}

/**
 * Lists the resources of the provider's resource group.
 *
 * @param complete - Asked once for what adds to each what lists don't tell.
 */
export function listResources<T extends Shown>(
  context: AzureContext,
  kind: ResourceKind<T>,
  filter: { readonly name?: string | undefined; readonly labels?: Labels | undefined } = {},
  matches: (item: T) => boolean = () => true,
  options?: CallOptions,
  complete?: () => Promise<(native: WireObject) => WireObject>,
): AsyncIterable<T> {
  const { client, settings } = context;
  const { name, labels } = filter;
  const { subscription, resourceGroup } = settings;
  const call = `${kind.capability}.list`;
  return context.listing(call, undefined, options, async function* pagewise() {
    const parent = { subscription, resourceGroup, names: [] };
    const whole = await complete?.();
    for await (const page of client.pages(kind.type, parent, options))
      for (const native of page) {
        const item = kind.show(whole?.(native) ?? native);
        const named = name === undefined || item.name === name;
        if (named && hasLabels(item.labels, labels) && matches(item)) yield item;
      }
  });
}

/** Makes a resource once for a key, and waits until it stands. */
export async function makeResource<T extends Shown>(
  context: AzureContext,
  kind: ResourceKind<T>,
  { name, labels, idempotencyKey, own, metadata, body }: Creation,
  control: OperationControl,
): Promise<T> {
  const key = keyDigest(idempotencyKey ?? randomUUID());
  const id = context.id(kind.type, name);
  const tags = toTags(labels, { ...own, key }, metadata);
  const call = `${kind.capability}.${kind.made ?? 'create'}`;
  for (let attempt = 1; ; attempt += 1) {
    const standing = await ifThere(() => context.client.get(id, control));
    if (standing !== undefined) {
      if (ownOf(standing).key !== key) throw taken(kind.what, id);
      if (statusOf(standing) !== 'FAILED')
        return finish(context, kind, tokenOf(call, null, id, key), control);
      await ended(context, await context.client.delete(id, control), control);
    }
    try {
      const { onlyNew } = kind;
      const operation = await context.client.put(id, { ...body, tags }, { ...control, onlyNew });
      return await finish(context, kind, tokenOf(call, operation ?? null, id, key), control);
    } catch (error) {
      // Somebody made it between the look and the call: then it is looked at again.
      const raced =
        ImgkitError.is(error, 'FAILED_PRECONDITION') && error.providerCode !== undefined;
      if (!raced || attempt === 5) throw error;
    }
  }
}

/** Waits until what was begun stands, and is what was meant. */
async function finish<T extends Shown>(
  context: AzureContext,
  kind: ResourceKind<T>,
  token: OperationToken,
  control: OperationControl,
): Promise<T> {
  const { operation, target } = token;
  control.progress(`making the ${kind.what}`, 0);
  if (operation !== null) await context.waitFor(control, { ...token, operation });
  const made = await context.wait(control, token, async (options) => {
    const seen = await context.client.get(target, { ...options, expand: kind.expand });
    return isBusy(seen) ? undefined : seen;
  });
  if (ownOf(made).key !== token.rest) throw taken(kind.what, target);
  if (statusOf(made) !== 'FAILED') return kind.show(made);
  throw new ImgkitError('OPERATION_FAILED', `Azure could not make ${target}`, { resource: target });
}

/** Deletes one resource; deleting what is gone succeeds. */
export function deleteResource<T extends Shown>(
  context: AzureContext,
  kind: ResourceKind<T>,
  id: string,
  options?: CallOptions,
): Operation<void> {
  const call = `${kind.capability}.delete`;
  return context.operation(call, id, options, async (control) => {
    const target = formatId(locate(kind, id));
    const operation = await context.client.delete(target, control);
    if (operation !== undefined) await context.waitFor(control, tokenOf(call, operation, target));
  });
}

/**
 * Says how the creation and the deletion of a kind are continued from their tokens.
 *
 * @param show - What comes of the creation beside what the kind shows.
 */
export function resumeResource<T extends Shown>(
  context: AzureContext,
  kind: ResourceKind<T>,
  show: (made: T, control: OperationControl) => Promise<unknown> = async (made) => made,
): void {
  context.onResume(`${kind.capability}.${kind.made ?? 'create'}`, async (token, control) =>
    show(await finish(context, kind, token, control), control),
  );
  context.onResume(`${kind.capability}.delete`, async ({ operation, ...token }, control) => {
    if (operation !== null) await context.waitFor(control, { ...token, operation });
  });
}

/** The error of a name that something else has. */
export function taken(what: string, id: string): ImgkitError {
  return new ImgkitError(
    'ALREADY_EXISTS',
    `the ${what} ${id} exists already, and was not made by this call`,
    {
      resource: id,
      hint: 'Choose another name, or remove what has it.',
    },
  );
}
