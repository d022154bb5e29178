import { effectOf } from '../control-plane/faults.ts';
import { textOf, type JsonObject } from '../control-plane/json.ts';
import type { Call } from './call.ts';
import { invalid } from './errors.ts';
import { parseFilter } from './filter.ts';
import { selfLink } from './links.ts';
import type { Location } from './locations.ts';
import { showWarning } from './operations.ts';
import type { ResourceType, Stored } from './state.ts';

/** Google's largest page, and its page when none is asked for. */
const largestPage = 500;

/** What a listing shows: all that the filter lets through, sorted, a page at a time. */
interface Page {
  readonly items: readonly Stored[];
  readonly nextPageToken: string | undefined;
}

/** The answer of a `list` method. */
export function listAnswer<R extends Stored>(
  call: Call,
  type: ResourceType<R>,
  records: readonly R[] = type.all(call.project, call.location),
): JsonObject {
  const { items, nextPageToken } = page(call, records);
  const id = `projects/${call.project.id}/${call.location}/${type.collection}`;
  return {
    kind: `compute#${type.singular}List`,
    id,
    ...(items.length > 0 ? { items: items.map(({ resource }) => resource) } : {}),
    nextPageToken,
    selfLink: selfLink(id),
    warning: orderedWarning(call),
  };
}

/** The answer of an `aggregatedList` method: what there is in every zone and region of a project. */
export function aggregatedAnswer<R extends Stored>(
  call: Call,
  type: ResourceType<R>,
  locations: readonly Location[],
): JsonObject {
  const { items, nextPageToken } = page(call, type.all(call.project));
  const id = `projects/${call.project.id}/aggregated/${type.collection}`;
  const scopes = locations.map((location) => {
    const found = items.filter((item) => item.location === location);
    return [
      location,
      found.length > 0
        ? { [type.collection]: found.map(({ resource }) => resource) }
        : {
            warning: showWarning({
              code: 'NO_RESULTS_ON_PAGE',
              message: `There are no results for scope '${location}' on this page.`,
              data: { scope: location },
            }),
          },
    ] as const;
  });
  return {
    kind: `compute#${type.singular}AggregatedList`,
    id,
    items: Object.fromEntries(scopes),
    nextPageToken,
    selfLink: selfLink(id),
    warning: orderedWarning(call),
  };
}

function orderedWarning(call: Call): JsonObject | undefined {
  const ordered = effectOf(call.parts.effects, 'list-warning');
  return ordered && showWarning(ordered);
}

function page(call: Call, records: readonly Stored[]): Page {
  const size = pageSize(call);
  const newestFirst = readOrder(call.query('orderBy'));
  const filter = call.query('filter');
  const lets = filter === undefined ? () => true : parseFilter(filter);
  const from = readToken(call.query('pageToken'));
  const selected: { record: Stored; key: string }[] = [];
  for (const record of records) {
    const key = sortKey(record, newestFirst);
    const passed = from !== undefined && (newestFirst ? key >= from : key <= from);
    if (!passed && lets(record.resource)) selected.push({ record, key });
  }
  const sorted = selected.toSorted((a, b) => (a.key < b.key !== newestFirst ? -1 : 1));
  const shown = sorted.slice(0, size);
  const last = shown.at(-1);
  return {
    items: shown.map(({ record }) => record),
    nextPageToken:
      sorted.length > size && last
        ? Buffer.from(JSON.stringify({ after: last.key })).toString('base64')
        : undefined,
  };
}

/** What a resource is sorted by: no two have the same. */
function sortKey({ link, resource }: Stored, newestFirst: boolean): string {
  if (!newestFirst) return link;
  // Ids grow with time, so they tell apart what was created in the same millisecond.
  return `${createdAt(resource).toString().padStart(15, '0')} ${textOf(resource, 'id') ?? ''}`;
}

function createdAt(resource: JsonObject): number {
  return Date.parse(textOf(resource, 'creationTimestamp') ?? '') || 0;
}

function pageSize(call: Call): number {
  const text = call.query('maxResults') ?? String(largestPage);
  const size = Number(text);
  if (size < 0 || size > largestPage) {
    throw invalid('maxResults', text, `Must be less than or equal to ${largestPage}`);
  }
  return size === 0 ? largestPage : size;
}

function readOrder(orderBy = 'name'): boolean {
  const order = orderBy.replaceAll(/\s+/g, ' ').trim();
  if (order === 'creationTimestamp desc') return true;
  if (order === 'name' || order === 'name asc') return false;
  throw invalid('orderBy', orderBy, 'Only name and creationTimestamp desc are supported.');
}

function readToken(token: string | undefined): string | undefined {
  if (token === undefined) return undefined;
  try {
    const read: unknown = JSON.parse(Buffer.from(token, 'base64').toString('utf8'));
    if (typeof read === 'object' && read !== null && 'after' in read) {
      if (typeof read.after === 'string') return read.after;
    }
  } catch {
    // Not one of ours: refused like any other.
  }
  throw invalid('pageToken', token, 'The page token is invalid.');
}
