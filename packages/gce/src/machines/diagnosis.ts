import { ImgkitError, withDetails } from '@imgkit/core';

import { number, objects, text, texts, type WireObject } from '../api/wire.ts';
import type { GceContext } from '../context.ts';
import { consoleTail } from './guest.ts';
import { parseIdOf, parseResourceId, regionOf, shortId, zoneOf } from '../resources/resource-id.ts';

/** What is worth a look when something could not be made. */
export interface Suspects {
  /** The id of the instance. */
  readonly instance?: string | undefined;
  /** The ids of the disks that were to be used. */
  readonly disks?: readonly string[] | undefined;
  /** The id of the image it was to be made of. */
  readonly image?: string | undefined;
}

/** What was found out about a failure; what could not be found out is left out. */
export interface Diagnosis {
  /** The status of the instance, with what Google says about it. */
  readonly instance?: { readonly status: string; readonly message?: string | undefined };
  /** The last lines that the guest printed. */
  readonly console?: readonly string[];
  /** Who uses the disks. */
  readonly disks?: readonly { readonly id: string; readonly users: readonly string[] }[];
  /** What Google is doing to the instance or the disks right now. */
  readonly operations?: readonly {
    readonly type: string;
    readonly target: string;
    readonly user?: string | undefined;
  }[];
  /** The quotas that are used up, or nearly so. */
  readonly quotas?: readonly {
    readonly metric: string;
    readonly limit: number;
    readonly used: number;
  }[];
  /** The permissions that are missing. */
  readonly permissions?: readonly string[];
}

/** How long the looking may take in all, in milliseconds, and how many disks are looked at. */
const budgetMs = 10_000;
const mostDisks = 3;
const consoleLines = 20;
/** A quota counts as nearly used up from here on. */
const nearlyFull = 0.9;

/** What explains itself, and what more calls would only make worse, isn't looked into. */
const plain: ReadonlySet<string> = new Set([
  'INVALID_ARGUMENT',
  'NOT_FOUND',
  'ALREADY_EXISTS',
  'CANCELLED',
  'PENDING',
  'RATE_LIMITED',
  'UNAUTHENTICATED',
  'IMAGE_OBSOLETE',
  'IMAGE_DELETED',
]);

/**
 * The same error with a diagnosis in `data.diagnosis`, and the gist of it in its hint. It makes a handful of calls
 * that change nothing, for at most ten seconds; what they can't tell is left out, and the error stays what it was.
 */
export async function diagnosed(
  context: GceContext,
  error: unknown,
  suspects: Suspects,
): Promise<unknown> {
  if (!ImgkitError.is(error) || plain.has(error.code)) return error;
  const diagnosis = await look(context, error, suspects);
  if (Object.keys(diagnosis).length === 0) return error;
  return withDetails(error, {
    hint: [gist(diagnosis), error.hint].filter((part) => part !== undefined).join(' '),
    data: { ...error.data, diagnosis },
  });
}

async function look(
  context: GceContext,
  error: ImgkitError,
  suspects: Suspects,
): Promise<Diagnosis> {
  const scout = new Scout(context);
  const { instance, disks = [], image } = suspects;
  const scope = [instance, ...disks]
    .map((id) => parseResourceId(id)?.scope)
    .find((one) => one !== undefined);
  if (error.code === 'QUOTA_EXCEEDED') return scout.quotas(scope, error.message);
  if (error.code === 'PERMISSION_DENIED') return scout.permissions(error.message, image);
  const [machine, users, operations] = await Promise.all([
    instance === undefined ? {} : scout.instance(instance),
    scout.users(disks.slice(0, mostDisks)),
    scout.operations(scope, instance === undefined ? disks : [instance, ...disks]),
  ]);
  return { ...machine, ...users, ...operations };
}

/** Looks around. Whatever it can't find out, it keeps silent about. */
class Scout {
  readonly #context: GceContext;
  readonly #signal = AbortSignal.timeout(budgetMs);

  constructor(context: GceContext) {
    this.#context = context;
  }

  async instance(id: string): Promise<Diagnosis> {
    const found = parseIdOf('instances', id);
    const zone = zoneOf(found?.scope ?? '');
    if (found === undefined || zone === undefined) return {};
    const { project, name } = found;
    const native = await this.#read('instances', { project, zone, instance: name });
    const status = text(native, 'status');
    if (status === undefined) return {};
    const lines = await this.#try(() =>
      consoleTail(this.#context, id, { signal: this.#signal, maxBytes: 8192 }),
    );
    const console = lines
      ?.split(/\r?\n/)
      .filter((line) => line.trim() !== '')
      .slice(-consoleLines);
    return {
      instance: { status, message: text(native, 'statusMessage') },
      ...(console !== undefined && console.length > 0 && { console }),
    };
  }

  async users(disks: readonly string[]): Promise<Diagnosis> {
    const found = await Promise.all(
      disks.map(async (id) => {
        const disk = parseIdOf('disks', id);
        const zone = zoneOf(disk?.scope ?? '');
        if (disk === undefined || zone === undefined) return [];
        const native = await this.#read('disks', { project: disk.project, zone, disk: disk.name });
        const users = texts(native, 'users').map(shortId);
        return users.length === 0 ? [] : [{ id, users }];
      }),
    );
    return found.flat().length === 0 ? {} : { disks: found.flat() };
  }

  async operations(scope: string | undefined, targets: readonly string[]): Promise<Diagnosis> {
    const zone = zoneOf(scope ?? '');
    if (zone === undefined || targets.length === 0) return {};
    const { client, project } = this.#context;
    const running = await this.#try(async () => {
      const request = { project, zone, filter: 'status!="DONE"', maxResults: 100 };
      const call = { service: 'zoneOperations', method: 'list', request } as const;
      for await (const { items } of client.pages(call, { signal: this.#signal })) return items; // one page will do
      return [];
    });
    const ours = (running ?? []).flatMap((operation: WireObject) => {
      const target = shortId(text(operation, 'targetLink') ?? '');
      const type = text(operation, 'operationType') ?? 'an operation';
      const busy = text(operation, 'status') !== 'DONE' && targets.map(shortId).includes(target);
      return busy ? [{ type, target, user: text(operation, 'user') }] : [];
    });
    return ours.length === 0 ? {} : { operations: ours };
  }

  /** The quotas that the message names, else those that are nearly used up; of the region, then of the project. */
  async quotas(scope: string | undefined, message: string): Promise<Diagnosis> {
    const { project } = this.#context;
    const region = regionOf(scope ?? '');
    const [local, global] = await Promise.all([
      region === undefined ? undefined : this.#read('regions', { project, region }),
      this.#read('projects', { project }),
    ]);
    const all = [...objects(local, 'quotas'), ...objects(global, 'quotas')].flatMap((quota) => {
      const [metric, limit, used] = [
        text(quota, 'metric'),
        number(quota, 'limit'),
        number(quota, 'usage'),
      ];
      return metric === undefined || limit === undefined
        ? []
        : [{ metric, limit, used: used ?? 0 }];
    });
    const named = all.filter(({ metric }) => new RegExp(`\\b${metric}\\b`).test(message));
    const full = all.filter(({ limit, used }) => limit > 0 && used >= limit * nearlyFull);
    const quotas = named.length > 0 ? named : full;
    return quotas.length === 0 ? {} : { quotas };
  }

  async permissions(message: string, image: string | undefined): Promise<Diagnosis> {
    const named = [...message.matchAll(/\bcompute\.\w+\.\w+\b/g)].map(([permission]) => permission);
    const missing = image === undefined ? [] : await this.#unusable(image);
    const permissions = [...new Set([...named, ...missing])];
    return permissions.length === 0 ? {} : { permissions };
  }

  async #unusable(image: string): Promise<readonly string[]> {
    const found = parseIdOf('images', image);
    if (found === undefined) return [];
    const wanted = 'compute.images.useReadOnly';
    const { project, name: resource } = found;
    const request = {
      project,
      resource,
      testPermissionsRequestResource: { permissions: [wanted] },
    };
    const call = { service: 'images', method: 'testIamPermissions', request } as const;
    const answer = await this.#try(() => this.#context.client.read(call, { signal: this.#signal }));
    return answer === undefined || texts(answer, 'permissions').includes(wanted) ? [] : [wanted];
  }

  #read(
    service: 'disks' | 'instances' | 'projects' | 'regions',
    request: Readonly<Record<string, string>>,
  ): Promise<WireObject | undefined> {
    return this.#try(() =>
      this.#context.client.read({ service, method: 'get', request }, { signal: this.#signal }),
    );
  }

  async #try<T>(body: () => Promise<T>): Promise<T | undefined> {
    try {
      return await body();
    } catch {
      return undefined; // the error that is being explained counts, not those of the explaining
    }
  }
}

/** The one thing that most likely explains it. */
function gist({ disks, operations, quotas, permissions, instance }: Diagnosis): string | undefined {
  const [disk] = disks ?? [];
  if (disk !== undefined) return `${disk.id} is used by ${disk.users.join(', ')}.`;
  const [operation] = operations ?? [];
  if (operation !== undefined)
    return `Google is still busy with ${operation.target}: ${operation.type}.`;
  const [quota] = quotas ?? [];
  if (quota !== undefined) return `${quota.used} of ${quota.limit} ${quota.metric} are used.`;
  if (permissions !== undefined) return `Missing: ${permissions.join(', ')}.`;
  if (instance === undefined) return undefined;
  const { status, message } = instance;
  return `The instance is ${status}${message === undefined ? '' : `: ${message}`}.`;
}
