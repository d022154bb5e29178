import { ImgkitError, type CallOptions, type DeprecationState } from '@imgkit/core';

import { textMap } from '../api/wire.ts';
import type { RoleAssignment } from '../client.ts';
import type { AzureContext } from '../context.ts';
import { ended } from '../versions/definitions.ts';
import { toDeprecationOf } from '../mapping.ts';
import { definitionOf, formatId, type ResourceId } from '../resources/resource-id.ts';
import { versionsOf } from '../versions/versions.ts';
import { assignmentOf, giveRole, readersAt } from './role-grants.ts';

/** The tags of a definition that say who is to read it again: `imgkit-readers-1`, and so on. */
const readersTag = /^imgkit-readers-\d+$/i;
/** A tag has 256 characters, a reader 53 at most, and a space. */
const perTag = 4;
/** Azure takes 50 tags; some are others'. */
const mostTags = 30;

/**
 * Makes the state of images felt by their readers, which Azure itself doesn't: when no version of a family may be used any
 * more, those to whom imgkit gave its role lose it, and have it again as soon as one may be used. While other versions are in
 * use they keep it: a role reaches the whole family. Who they are is kept in the definition's tags before it is taken.
 */
export async function followState(
  context: AzureContext,
  version: ResourceId,
  state: DeprecationState,
  options?: CallOptions,
): Promise<void> {
  const scope = formatId(definitionOf(version));
  const withdrawn = state === 'OBSOLETE' || state === 'DELETED';
  if (!withdrawn) return giveBack(context, scope, options);
  if (!(await isWithdrawn(context, version, options))) {
    context.logger.warn('readers keep their access: other versions of the family are in use', {
      scope,
    });
    return;
  }
  const readers: RoleAssignment[] = [];
  for await (const one of readersAt(context, scope, options)) {
    const own = assignmentOf(scope, one.principal, one.principalType).id;
    if (own.toLowerCase() === one.id.toLowerCase()) readers.push(one);
  }
  if (readers.length === 0) return;
  const tags = await tagsOf(context, scope, options);
  await remember(context, scope, tags, [...readersIn(tags), ...readers.map(write)], options);
  for (const reader of readers) await context.client.unassign(reader, options);
}

async function giveBack(
  context: AzureContext,
  scope: string,
  options?: CallOptions,
): Promise<void> {
  const tags = await tagsOf(context, scope, options);
  const readers = readersIn(tags);
  if (readers.length === 0) return;
  for (const reader of readers) {
    const [type = '', principal = ''] = reader.split(':');
    await giveRole(context, assignmentOf(scope, principal, type), options);
  }
  await remember(context, scope, tags, [], options);
}

async function isWithdrawn(
  context: AzureContext,
  version: ResourceId,
  options?: CallOptions,
): Promise<boolean> {
  const [gallery = '', definition = ''] = version.names;
  const type = 'Microsoft.Compute/galleries';
  const place: ResourceId = { ...version, type, names: [gallery] };
  for await (const one of versionsOf(context, definition, options, place)) {
    const { state } = toDeprecationOf(one, context.provider, context.gallery);
    if (state === 'ACTIVE' || state === 'DEPRECATED') return false;
  }
  return true;
}

async function tagsOf(
  { client }: AzureContext,
  scope: string,
  options?: CallOptions,
): Promise<Record<string, string>> {
  return textMap(await client.get(scope, options), 'tags');
}

function readersIn(tags: Readonly<Record<string, string>>): readonly string[] {
  return Object.entries(tags).flatMap(([key, value]) =>
    readersTag.test(key) ? value.split(' ').filter(Boolean) : [],
  );
}

function write({ principal, principalType }: RoleAssignment): string {
  return `${principalType}:${principal.toLowerCase()}`;
}

/** Sets who is to read it again; all other tags stay. */
async function remember(
  context: AzureContext,
  scope: string,
  tags: Readonly<Record<string, string>>,
  readers: readonly string[],
  options?: CallOptions,
): Promise<void> {
  const all = [...new Set(readers)];
  const changed = Object.fromEntries(Object.entries(tags).filter(([key]) => !readersTag.test(key)));
  const count = Math.ceil(all.length / perTag);
  if (count > mostTags)
    throw new ImgkitError('FAILED_PRECONDITION', `${all.length} readers are too many to keep`, {
      resource: scope,
      hint: `At most ${mostTags * perTag} can lose their access and get it back: share with a group.`,
    });
  for (let index = 0; index < count; index += 1)
    changed[`imgkit-readers-${index + 1}`] = all
      .slice(index * perTag, (index + 1) * perTag)
      .join(' ');
  await ended(
    context,
    await context.client.patch(scope, { tags: changed }, options),
    options ?? {},
  );
}
