import {
  ImgkitError,
  throwIfAborted,
  type CallOptions,
  type Clock,
  type Logger,
  type Retrier,
} from '@imgkit/core';

import type {
  AzureClient,
  OperationAddress,
  OperationEnd,
  PutOptions,
  ReadOptions,
  RegionQuery,
  RoleAssignment,
  StartedAction,
} from '../client.ts';
import { apiError, operationError } from '../errors.ts';
import { parseResourceId, type ResourceId, type ResourceType } from '../resources/resource-id.ts';
import type { AzureSettings } from '../settings.ts';
import { Pace } from '../throttle/pace.ts';
import { addressOf } from './operation-address.ts';
import { nameOf, subscriptionOf, toAssignment } from './role-assignments.ts';
import { SdkClients } from './sdk-clients.ts';
import { rawVersions, sendRaw } from './raw-calls.ts';
import { actions, groups, views, type SdkAction } from './sdk-groups.ts';
import { invoke, isPaged, isPoller, loadCompute, methodOf, readPage, type Page } from './sdk.ts';
import { isWireObject, object, objects, type WireObject } from './wire.ts';

/** Tells the SDK that an operation is the deletion of some version. */
const anyVersion =
  '/subscriptions/s/resourceGroups/g/providers/Microsoft.Compute/galleries/g/images/i/versions/1.0.0';

/** What the client works with. */
export interface SdkAzureClientParts {
  readonly retrier: Retrier;
  readonly clock: Clock;
  readonly logger: Logger;
}

/** {@link AzureClient} over Azure's own SDK: one client of it for each subscription. */
export class SdkAzureClient implements AzureClient {
  readonly #endpoint: string;
  readonly #pace: Pace;
  readonly #clients: SdkClients;
  readonly #retrier: Retrier;

  constructor(settings: AzureSettings, { retrier, clock, logger }: SdkAzureClientParts) {
    this.#endpoint = settings.endpoint;
    this.#pace = new Pace({ clock, logger });
    this.#clients = new SdkClients(settings, this.#pace);
    this.#retrier = retrier;
  }

  async get(id: string, options: ReadOptions = {}): Promise<WireObject> {
    const { type, subscription, resourceGroup, names } = locate(id);
    const { signal, replication = false } = options;
    const expand = replication ? 'ReplicationStatus' : options.expand;
    return this.#call(options, async () => {
      const client = await this.#clients.compute(subscription);
      const found = await invoke(client, groups[type].name, 'get', resourceGroup, ...names, {
        abortSignal: signal,
        ...(expand === undefined ? {} : { expand }),
      });
      return isWireObject(found) ? found : {};
    });
  }

  async *pages(
    type: ResourceType,
    parent: Parameters<AzureClient['pages']>[1],
    options: Pick<ReadOptions, 'signal' | 'expand' | 'statusOnly'> = {},
  ): AsyncGenerator<readonly WireObject[], void, undefined> {
    const { subscription, resourceGroup, names = [] } = parent;
    const { name, list, listAll = list } = groups[type];
    const { signal: abortSignal, expand, statusOnly = false } = options;
    yield* this.#pages(options, async () => {
      const client = await this.#clients.compute(subscription);
      const asked = {
        abortSignal,
        ...(expand === undefined ? {} : { expand }),
        ...(statusOnly ? { statusOnly: 'true' } : {}),
      };
      if (resourceGroup === undefined) return invoke(client, name, listAll, asked);
      return invoke(client, name, list, resourceGroup, ...names, asked);
    });
  }

  async getWhole(id: string, options: CallOptions = {}): Promise<WireObject> {
    const { type, subscription, resourceGroup, names } = locate(id);
    const abortSignal = options.signal;
    return this.#call(options, async () => {
      const client = await this.#clients.compute(subscription);
      return this.#clients.whole.receive(async () =>
        invoke(client, groups[type].name, 'get', resourceGroup, ...names, { abortSignal }),
      );
    });
  }

  async *deletedVersions(
    definition: string,
    options: CallOptions = {},
  ): AsyncGenerator<readonly WireObject[], void, undefined> {
    const { subscription, resourceGroup, names } = locate(definition);
    const [gallery = '', name = ''] = names;
    yield* this.#pages(options, async () => {
      const client = await this.#clients.compute(subscription);
      const place = [resourceGroup, gallery, 'images', name];
      const asked = { abortSignal: options.signal };
      return invoke(client, 'softDeletedResource', 'listByArtifactName', ...place, asked);
    });
  }

  async lookUp(query: RegionQuery, options: CallOptions = {}): Promise<WireObject> {
    const { subscription, collection, location, names } = query;
    return this.#call(options, async () => {
      const client = await this.#clients.compute(subscription);
      const found = await invoke(client, collection, 'get', location, ...names, {
        abortSignal: options.signal,
      });
      return isWireObject(found) ? found : {};
    });
  }

  async *lookUpPages(
    query: RegionQuery,
    options: CallOptions = {},
  ): AsyncGenerator<readonly WireObject[], void, undefined> {
    const { subscription, collection, location, names, sharedTo } = query;
    const wishes = { abortSignal: options.signal, ...(sharedTo === undefined ? {} : { sharedTo }) };
    yield* this.#pages(options, async () => {
      const client = await this.#clients.compute(subscription);
      return invoke(client, collection, 'list', location, ...names, wishes);
    });
  }

  put(id: string, body: WireObject, options?: PutOptions): Promise<OperationAddress | undefined> {
    const condition = options?.onlyNew === true ? [{ ifNoneMatch: '*' }] : [];
    const method = groups[locate(id).type].put ?? 'createOrUpdate';
    return this.#start(id, method, [body, ...condition], options);
  }

  patch(
    id: string,
    changes: WireObject,
    options?: CallOptions & { readonly ifMatch?: string | undefined },
  ): Promise<OperationAddress | undefined> {
    const { ifMatch } = options ?? {};
    const condition = ifMatch === undefined ? [] : [{ ifMatch }];
    return this.#start(id, 'update', [changes, ...condition], options);
  }

  patchWhole(
    id: string,
    changes: WireObject,
    options?: CallOptions,
  ): Promise<OperationAddress | undefined> {
    return this.#clients.whole.send(changes, () => this.#start(id, 'update', [{}], options));
  }

  delete(id: string, options?: CallOptions): Promise<OperationAddress | undefined> {
    return this.#start(id, 'delete', [], options);
  }

  async view(id: string, name: string, options: CallOptions = {}): Promise<readonly WireObject[]> {
    const { subscription, resourceGroup, names } = locate(id);
    const { group, method } = views[name] ?? { group: name, method: 'get' };
    const { signal } = options;
    return this.#call(options, async () => {
      const client = await this.#clients.compute(subscription);
      const asked = { abortSignal: signal };
      const found: unknown = await invoke(client, group, method, resourceGroup, ...names, asked);
      if (!isPaged(found)) return isWireObject(found) ? [found] : [];
      return (await readPage(found)).items;
    });
  }

  async act(
    id: string,
    action: string,
    body?: WireObject,
    options: CallOptions = {},
  ): Promise<StartedAction> {
    const { type, subscription, resourceGroup, names } = locate(id);
    const known: SdkAction = actions[action] ?? { method: action };
    const { group = groups[type].name, method, option } = known;
    const sent = option === undefined ? body : { [option]: body };
    const parts = [resourceGroup, ...names, ...(body === undefined ? [] : [sent])];
    return this.#call(options, async () => {
      const client = await this.#clients.compute(subscription);
      const started = invoke(client, group, method, ...parts);
      if (isPoller(started)) {
        const operation = await addressOf(started, subscription);
        if (operation !== undefined) return { operation };
      }
      const output: unknown = await started;
      return { output: isWireObject(output) ? output : undefined };
    });
  }

  async poll(
    { mode, url, subscription }: OperationAddress,
    options: CallOptions = {},
  ): Promise<OperationEnd | undefined> {
    if (new URL(url).origin !== new URL(this.#endpoint).origin)
      throw new ImgkitError(
        'INVALID_ARGUMENT',
        `the operation is at ${new URL(url).origin}, not at this cloud`,
        {
          hint: `This provider talks to ${this.#endpoint}.`,
        },
      );
    const { restorePoller } = await loadCompute();
    return this.#call(options, async () => {
      const client = await this.#clients.compute(subscription);
      // As a deletion, which leaves nothing: then the SDK asks for no resource at the end, and reads none.
      const config = {
        metadata: { mode },
        operationLocation: url,
        requestMethod: 'DELETE',
        initialRequestUrl: `${this.#endpoint}${anyVersion}`,
      };
      const state = JSON.stringify({ state: { status: 'running', config } });
      const poller = restorePoller(
        client,
        state,
        methodOf(client, 'galleryImageVersions', 'delete'),
      );
      try {
        await poller.poll({ abortSignal: options.signal });
      } catch (error) {
        const failed = this.#clients.bodies.take(url);
        throw failed === undefined ? error : operationError(failed, { cause: error });
      }
      if (!poller.isDone) return undefined;
      return { output: object(object(this.#clients.bodies.take(url), 'properties'), 'output') };
    });
  }

  async *sizes(
    subscription: string,
    location: string,
    options: CallOptions = {},
  ): AsyncGenerator<readonly WireObject[], void, undefined> {
    const asked = { abortSignal: options.signal, filter: `location eq '${location}'` };
    yield* this.#pages(options, async () => {
      const client = await this.#clients.compute(subscription);
      return invoke(client, 'resourceSkus', 'list', asked);
    });
  }

  async locations(subscription: string, options: CallOptions = {}): Promise<readonly WireObject[]> {
    return this.#call(options, async () => {
      const client = await this.#clients.raw(subscription);
      const path = `/subscriptions/${subscription}/locations`;
      const version = rawVersions.subscriptions;
      return objects(await sendRaw(client, 'get', path, { ...options, version }), 'value');
    });
  }

  async getNetwork(id: string, options: CallOptions = {}): Promise<WireObject> {
    return this.#call(options, async () =>
      sendRaw(await this.#clients.raw(subscriptionOf(id)), 'get', id, {
        ...options,
        version: rawVersions.network,
      }),
    );
  }

  async putNetwork(id: string, body: WireObject, options: CallOptions = {}): Promise<void> {
    await this.#call(options, async () =>
      sendRaw(await this.#clients.raw(subscriptionOf(id)), 'put', id, {
        body,
        version: rawVersions.network,
      }),
    );
  }

  async download(address: string, { signal }: CallOptions = {}): Promise<string> {
    return this.#call({ signal }, async () => {
      const answer = await fetch(address, { signal: signal ?? null });
      const content = await answer.text();
      if (answer.ok) return content;
      throw Object.assign(new Error(`${answer.status} ${answer.statusText}`), {
        statusCode: answer.status,
        details: { error: { code: answer.headers.get('x-ms-error-code') ?? undefined } },
      });
    });
  }

  async assign(assignment: RoleAssignment, options: CallOptions = {}): Promise<void> {
    const { id, scope, role, principal, principalType } = assignment;
    const roleDefinitionId = `/subscriptions/${subscriptionOf(scope)}/providers/Microsoft.Authorization/roleDefinitions/${role}`;
    await this.#call(options, async () => {
      const client = await this.#clients.authorization(subscriptionOf(scope));
      const parameters = { roleDefinitionId, principalId: principal, principalType };
      await invoke(client, 'roleAssignments', 'create', scope.slice(1), nameOf(id), parameters);
    });
  }

  async *assignments(
    scope: string,
    options: CallOptions = {},
  ): AsyncGenerator<RoleAssignment, void, undefined> {
    const pages = this.#pages(options, async () => {
      const client = await this.#clients.authorization(subscriptionOf(scope));
      const filter = { filter: 'atScope()', abortSignal: options.signal };
      return invoke(client, 'roleAssignments', 'listForScope', scope.slice(1), filter);
    });
    for await (const page of pages) yield* page.map(toAssignment);
  }

  async unassign({ id, scope }: RoleAssignment, options: CallOptions = {}): Promise<void> {
    await this.#call(options, async () => {
      const client = await this.#clients.authorization(subscriptionOf(scope));
      await invoke(client, 'roleAssignments', 'delete', scope.slice(1), nameOf(id));
    });
  }

  /** Each page is a call of its own: a listing of the SDK that failed once would seem to be at its end. */
  async *#pages(
    options: CallOptions,
    list: () => Promise<unknown>,
  ): AsyncGenerator<readonly WireObject[], void, undefined> {
    let from: string | undefined;
    do {
      const { items, next }: Page = await this.#call(options, async () =>
        readPage(await list(), from),
      );
      yield items;
      from = next;
    } while (from !== undefined);
  }

  /** Starts what takes long. The signal stops it only before it is sent. */
  async #start(
    id: string,
    method: string,
    parts: readonly unknown[],
    options: CallOptions = {},
  ): Promise<OperationAddress | undefined> {
    const { type, subscription, resourceGroup, names } = locate(id);
    return this.#call(options, async () => {
      const client = await this.#clients.compute(subscription);
      const started = invoke(client, groups[type].name, method, resourceGroup, ...names, ...parts);
      if (isPoller(started)) return addressOf(started, subscription);
      await started; // what is done at once, such as a collection of restore points
      return undefined;
    });
  }

  /** Makes a call, and again when that may help; whatever it throws becomes an imgkit error. */
  #call<T>(options: CallOptions, call: () => Promise<T>): Promise<T> {
    const { signal } = options;
    const once = async (): Promise<T> => {
      throwIfAborted(signal);
      try {
        return await this.#pace.run(signal, call);
      } catch (error) {
        throwIfAborted(signal);
        throw apiError(error);
      }
    };
    return this.#retrier.run(once, { safe: true, signal });
  }
}

function locate(id: string): ResourceId {
  const found = parseResourceId(id);
  if (found !== undefined) return found;
  throw new ImgkitError('NOT_FOUND', `"${id}" is not the id of a resource of Azure`, {
    resource: id,
  });
}
