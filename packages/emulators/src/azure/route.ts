import { listed, type Handler } from './call.ts';
import type { Shape } from './shape.ts';

/** A method of the API. */
export interface Route {
  /** `GalleryImageVersions.CreateOrUpdate` */
  readonly rpc: string;
  readonly method: 'GET' | 'PUT' | 'PATCH' | 'POST' | 'DELETE';
  readonly path: RegExp;
  /** The version of the API that is spoken. */
  readonly apiVersion: string;
  /** The parameters that the query may have, beside the version of the API. */
  readonly query: readonly string[];
  /** What the body must be; none may be sent otherwise. */
  readonly body?: Shape | undefined;
  /** Whether the body may be left out. */
  readonly bodyIsOptional?: boolean | undefined;
  /** What Azure counts the call as. */
  readonly rate?: string | undefined;
  /** What the caller must be allowed to do: `Microsoft.Compute/galleries/read`. */
  readonly action: string;
  /** For what stands behind a resource, such as an action on it: what the path ends with. The rest of it is the resource's id. */
  readonly actionName?: string | undefined;
  readonly handler: Handler;
}

const subscription = '/subscriptions/{}';
/** The path of a resource group. */
export const group = '/subscriptions/{}/resourceGroups/{}';
/** What the paths of the resources of Compute begin with. */
export const compute = `${group}/providers/Microsoft.Compute`;

/** A path's template as an expression; ARM takes paths in any case. */
export function pathOf(template: string): RegExp {
  return new RegExp(`^${template.replaceAll('{}', '[^/]+').replaceAll('.', '\\.')}$`, 'i');
}

/** Resources of one type: how they are made, read, listed, changed and deleted. */
export interface Collection {
  /** `GalleryImageVersions` */
  readonly service: string;
  /** The list's path. */
  readonly path: string;
  readonly apiVersion: string;
  readonly type: string;
  readonly listName: string;
  /** What the list of the whole subscription is called, where there is one: `ListAll`. */
  readonly listAllName?: string;
  readonly handlers: {
    readonly get: Handler;
    readonly put: Handler;
    readonly remove: Handler;
    readonly list: Handler;
    readonly patch?: Handler;
  };
  readonly put: Shape;
  readonly patch?: Shape;
  readonly getQuery?: readonly string[];
  readonly listQuery?: readonly string[];
  readonly removeQuery?: readonly string[];
  /** What Azure counts the calls as. */
  readonly rates?: Readonly<Partial<Record<'get' | 'list' | 'put' | 'remove', string>>>;
}

/** The methods that every collection has. */
export function routesOf(collection: Collection): readonly Route[] {
  const { service, path, apiVersion, type, handlers, rates = {}, getQuery = [] } = collection;
  const { listQuery = [], removeQuery = [] } = collection;
  const one = pathOf(`${path}/{}`);
  const common = { apiVersion, query: [] };
  const { get, put, patch, remove, list } = handlers;
  const change = { ...common, path: one, rate: rates.put, action: `${type}/write` };
  return [
    {
      ...common,
      rpc: `${service}.Get`,
      method: 'GET',
      path: one,
      query: getQuery,
      rate: rates.get,
      action: `${type}/read`,
      handler: get,
    },
    {
      ...common,
      rpc: `${service}.${collection.listName}`,
      method: 'GET',
      path: pathOf(path),
      query: [...listQuery, '$skiptoken'],
      rate: rates.list,
      action: `${type}/read`,
      handler: list,
    },
    {
      ...change,
      rpc: `${service}.CreateOrUpdate`,
      method: 'PUT',
      body: collection.put,
      handler: put,
    },
    ...(collection.listAllName === undefined
      ? []
      : [
          {
            ...common,
            rpc: `${service}.${collection.listAllName}`,
            method: 'GET' as const,
            path: pathOf(path.replace(group, subscription)),
            query: ['$skiptoken'],
            rate: rates.list,
            action: `${type}/read`,
            handler: listAllOf(type),
          },
        ]),
    ...(patch === undefined
      ? []
      : [
          {
            ...change,
            rpc: `${service}.Update`,
            method: 'PATCH' as const,
            body: collection.patch,
            handler: patch,
          },
        ]),
    {
      ...common,
      rpc: `${service}.Delete`,
      method: 'DELETE',
      path: one,
      query: removeQuery,
      rate: rates.remove,
      action: `${type}/delete`,
      handler: remove,
    },
  ];
}

/** Lists a type of resources in all resource groups. */
const listAllOf =
  (type: string): Handler =>
  (call) =>
    call.page(
      call.world.resources.ofType(type, call.subscription).map(({ resource }) => listed(resource)),
    );

/** What is done to a resource beside that. */
export interface Action {
  /** `VirtualMachines` */
  readonly service: string;
  /** `Deallocate` */
  readonly rpc: string;
  /** The path of the resource. */
  readonly path: string;
  /** What stands behind it: `deallocate`. */
  readonly name: string;
  readonly apiVersion: string;
  readonly type: string;
  readonly query?: readonly string[] | undefined;
  readonly body?: Shape | undefined;
  readonly bodyIsOptional?: boolean | undefined;
  readonly rate?: string | undefined;
  readonly handler: Handler;
}

/** The method that carries an action out: a POST. */
export function actionRoute(action: Action): Route {
  const {
    service,
    rpc,
    path,
    name,
    apiVersion,
    type,
    query = [],
    body,
    bodyIsOptional,
    rate,
    handler,
  } = action;
  return {
    rpc: `${service}.${rpc}`,
    method: 'POST',
    path: pathOf(`${path}/${name}`),
    apiVersion,
    query,
    body,
    bodyIsOptional,
    rate,
    action: `${type}/${name}/action`,
    actionName: name,
    handler,
  };
}
