import type { CallOptions, Image, ImageFilter } from '@imgkit/core';

import { statusOf } from '../errors.ts';
import type { GlanceImage } from '../glance/glance-image.ts';
import { labelProperty, properties, recordKind, toImage, type RecordKind } from '../mapping.ts';
import type { CloudContext } from './context.ts';
import { hasLabels, invalid } from './rules.ts';

const defaultPageSize = 100;

/**
 * Lists images, newest first: also the hidden ones, which the cloud keeps in a list of their own.
 *
 * @param kind - Lists records of this kind instead, which are kept where images are.
 */
export async function* listImages(
  context: CloudContext,
  operation: string,
  filter: ImageFilter,
  options?: CallOptions,
  kind?: RecordKind,
): AsyncGenerator<Image, void, undefined> {
  const { pageSize = defaultPageSize, states } = filter;
  const call = <T>(body: () => Promise<T>): Promise<T> =>
    context.call(operation, undefined, options, body);
  const [hides, isModern] = await call(async () => {
    if (!Number.isSafeInteger(pageSize) || pageSize < 1)
      throw invalid(`a page can't have ${pageSize} entries`, 'Give a whole number, at least 1.');
    return [await context.glance.canHide(options), await context.glance.isModern(options)];
  });
  const wantsHidden = states === undefined || states.some((state) => state !== 'ACTIVE');
  const lists = hides ? (wantsHidden ? [false, true] : [false]) : [undefined];
  const rows = lists.map((hidden) =>
    pages(context, query(context, filter, { hidden, isModern, kind }), pageSize, call, options),
  );
  const seen = new Set<string>();
  for await (const row of newestFirst(rows)) {
    // What was hidden while it was listed is in both.
    if (seen.has(row.id) || row.status === 'deleted') continue;
    seen.add(row.id);
    if (recordKind(row) !== kind) continue;
    const image = toImage(row, context);
    if (matches(image, filter, context)) {
      yield image;
      await call(() => Promise.resolve());
    }
  }
}

/** What the cloud can look for; all of it is looked at again here. */
function query(
  { project }: CloudContext,
  filter: ImageFilter,
  {
    hidden,
    isModern,
    kind,
  }: {
    readonly hidden: boolean | undefined;
    readonly isModern: boolean;
    readonly kind: RecordKind | undefined;
  },
): URLSearchParams {
  const search = new URLSearchParams({
    owner: filter.project ?? project,
    ...(isModern
      ? { visibility: 'all', sort: 'created_at:desc,id:desc' }
      : { sort_key: 'created_at', sort_dir: 'desc' }),
  });
  if (hidden !== undefined) search.set('os_hidden', String(hidden));
  const wanted: Record<string, string | undefined> = {
    name: filter.name,
    [properties.family]: filter.family,
    [properties.kind]: kind,
  };
  if (filter.published === true) wanted[properties.published] = 'true';
  for (const [key, value] of Object.entries(filter.labels ?? {}))
    wanted[labelProperty(key)] = value;
  for (const [key, value] of Object.entries(wanted)) {
    // `in:` and commas mean something to the cloud.
    if (value !== undefined && /^[-_.\w ]+$/.test(value)) search.set(key, value);
  }
  return search;
}

function matches(image: Image, filter: ImageFilter, context: CloudContext): boolean {
  const { project = context.project, name, family, published, status, states, labels } = filter;
  return (
    image.project === project &&
    (name === undefined || image.name === name) &&
    (family === undefined || image.family === family) &&
    (published === undefined || image.published === published) &&
    (status === undefined || status.includes(image.status)) &&
    (states === undefined || states.includes(image.deprecation.state)) &&
    hasLabels(image.labels, labels)
  );
}

/**
 * The pages of one list. A page begins behind the last image of the one before; when that has been
 * deleted meanwhile, it begins at the second in which it was created, and what was given is skipped.
 */
async function* pages(
  { glance }: CloudContext,
  search: URLSearchParams,
  pageSize: number,
  call: <T>(body: () => Promise<T>) => Promise<T>,
  options: CallOptions | undefined,
): AsyncGenerator<GlanceImage, void, undefined> {
  const given = new Set<string>();
  let last: GlanceImage | undefined;
  let marker: string | undefined;
  for (;;) {
    const next = new URLSearchParams(search);
    next.set('limit', String(pageSize));
    if (marker !== undefined) next.set('marker', marker);
    const page = await call(async () => {
      try {
        return await glance.page(next, options);
      } catch (error) {
        if (statusOf(error) !== 400 || marker === undefined || last === undefined) throw error;
        return undefined;
      }
    });
    if (page === undefined && last !== undefined) {
      // The cloud shows whole seconds, and compares parts of them. An older one begins anew.
      const before = new Date(Date.parse(last.created_at) + 1000);
      if (search.has('sort'))
        search.set('created_at', `lt:${before.toISOString().replace(/\.\d+/, '')}`);
      marker = undefined;
      continue;
    }
    for (const image of page?.images ?? []) {
      last = image;
      if (given.has(image.id)) continue;
      given.add(image.id);
      yield image;
    }
    marker = page?.images.at(-1)?.id;
    if (page?.hasMore !== true || marker === undefined) return;
  }
}

/** Brings lists that are in order into one. */
async function* newestFirst(
  lists: readonly AsyncGenerator<GlanceImage, void, undefined>[],
): AsyncGenerator<GlanceImage, void, undefined> {
  const heads: { row: GlanceImage; list: AsyncGenerator<GlanceImage, void, undefined> }[] = [];
  const advance = async (list: AsyncGenerator<GlanceImage, void, undefined>): Promise<void> => {
    const { value: row } = await list.next();
    if (row !== undefined) heads.push({ row, list });
  };
  for (const list of lists) await advance(list);
  for (;;) {
    heads.sort((a, b) => order(b.row).localeCompare(order(a.row)));
    const head = heads.shift();
    if (head === undefined) return;
    yield head.row;
    await advance(head.list);
  }
}

function order({ created_at: at, id }: GlanceImage): string {
  return `${at} ${id}`;
}
