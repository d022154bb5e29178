import * as shapes from './body-shapes.ts';
import type { Handler } from './call.ts';
import { disks } from './disks.ts';
import { galleries } from './galleries.ts';
import { imageDefinitions } from './image-definitions.ts';
import { imageVersions } from './image-versions.ts';
import { managedImages } from './managed-images.ts';
import { resourceGroups } from './resource-groups.ts';
import { roleAssignments } from './role-assignments.ts';
import type { Shape } from './shape.ts';

/** A method of the API. */
export interface Route {
  /** `GalleryImageVersions.CreateOrUpdate` */
  readonly rpc: string;
  readonly method: 'GET' | 'PUT' | 'PATCH' | 'DELETE';
  readonly path: RegExp;
  /** The version of the API that is spoken. */
  readonly apiVersion: string;
  /** The parameters that the query may have, beside the version of the API. */
  readonly query: readonly string[];
  /** What the body must be; none may be sent otherwise. */
  readonly body?: Shape | undefined;
  /** What Azure counts the call as. */
  readonly rate?: string | undefined;
  /** What the caller must be allowed to do: `Microsoft.Compute/galleries/read`. */
  readonly action: string;
  readonly handler: Handler;
}

const group = '/subscriptions/{}/resourceGroups/{}';
const compute = `${group}/providers/Microsoft.Compute`;
const gallery = `${compute}/galleries/{}`;
const definition = `${gallery}/images/{}`;

/** A path's template as an expression; ARM takes paths in any case. */
function pathOf(template: string): RegExp {
  return new RegExp(`^${template.replaceAll('{}', '[^/]+').replaceAll('.', '\\.')}$`, 'i');
}

interface Collection {
  /** `GalleryImageVersions` */
  readonly service: string;
  /** The list's path. */
  readonly path: string;
  readonly apiVersion: string;
  readonly type: string;
  readonly listName: string;
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
  /** What Azure counts the calls as. */
  readonly rates?: Readonly<Partial<Record<'get' | 'list' | 'put' | 'remove', string>>>;
}

function routesOf(collection: Collection): readonly Route[] {
  const { service, path, apiVersion, type, handlers, rates = {}, getQuery = [] } = collection;
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
      query: ['$skiptoken'],
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
      rate: rates.remove,
      action: `${type}/delete`,
      handler: remove,
    },
  ];
}

const galleryVersion = '2025-12-03';
const diskVersion = '2026-03-02';
const assignments = /\/providers\/Microsoft\.Authorization\/roleAssignments/i.source;

/** Everything that is emulated. */
export const routes: readonly Route[] = [
  ...routesOf({
    service: 'Galleries',
    path: `${compute}/galleries`,
    apiVersion: galleryVersion,
    type: 'Microsoft.Compute/galleries',
    listName: 'ListByResourceGroup',
    handlers: { ...galleries, list: galleries.listInGroup },
    put: shapes.gallery,
    getQuery: ['$select', '$expand'],
    rates: { put: 'CreateUpdateGallery' },
  }),
  ...routesOf({
    service: 'GalleryImages',
    path: `${gallery}/images`,
    apiVersion: galleryVersion,
    type: 'Microsoft.Compute/galleries/images',
    listName: 'ListByGallery',
    handlers: imageDefinitions,
    put: shapes.imageDefinition,
    patch: shapes.imageDefinitionUpdate,
    rates: { put: 'CreateUpdateGalleryImage' },
  }),
  ...routesOf({
    service: 'GalleryImageVersions',
    path: `${definition}/versions`,
    apiVersion: galleryVersion,
    type: 'Microsoft.Compute/galleries/images/versions',
    listName: 'ListByGalleryImage',
    handlers: imageVersions,
    put: shapes.imageVersion,
    patch: shapes.imageVersionUpdate,
    getQuery: ['$expand'],
    rates: {
      get: 'GetGalleryImageVersion',
      list: 'ListGalleryImageVersionsInGalleryImage',
      put: 'CreateUpdateGalleryImageVersion',
      remove: 'DeleteGalleryImageVersion',
    },
  }),
  ...routesOf({
    service: 'Images',
    path: `${compute}/images`,
    apiVersion: '2026-04-01',
    type: 'Microsoft.Compute/images',
    listName: 'ListByResourceGroup',
    handlers: { ...managedImages, list: managedImages.listInGroup },
    put: shapes.managedImage,
    getQuery: ['$expand'],
    rates: { put: 'CreateImages' },
  }),
  ...routesOf({
    service: 'Disks',
    path: `${compute}/disks`,
    apiVersion: diskVersion,
    type: 'Microsoft.Compute/disks',
    listName: 'ListByResourceGroup',
    handlers: { ...disks, list: disks.listInGroup },
    put: shapes.disk,
  }),
  ...routesOf({
    service: 'Snapshots',
    path: `${compute}/snapshots`,
    apiVersion: diskVersion,
    type: 'Microsoft.Compute/snapshots',
    listName: 'ListByResourceGroup',
    handlers: { ...disks, list: disks.listInGroup },
    put: shapes.snapshot,
  }),
  ...(['get', 'put'] as const).map((name): Route => ({
    rpc: `ResourceGroups.${name === 'get' ? 'Get' : 'CreateOrUpdate'}`,
    method: name === 'get' ? 'GET' : 'PUT',
    path: pathOf(group),
    apiVersion: '2021-04-01',
    query: [],
    body: name === 'get' ? undefined : shapes.resourceGroup,
    action: `Microsoft.Resources/subscriptions/resourceGroups/${name === 'get' ? 'read' : 'write'}`,
    handler: resourceGroups[name],
  })),
  ...(['put', 'remove', 'list'] as const).map((name): Route => ({
    rpc: `RoleAssignments.${{ put: 'Create', remove: 'Delete', list: 'ListForScope' }[name]}`,
    method: ({ put: 'PUT', remove: 'DELETE', list: 'GET' } as const)[name],
    path: new RegExp(`^/subscriptions/.+${assignments}${name === 'list' ? '' : '/[^/]+'}$`, 'i'),
    apiVersion: '2022-04-01',
    query: name === 'list' ? ['$filter', '$skiptoken'] : [],
    body: name === 'put' ? shapes.roleAssignment : undefined,
    action: `Microsoft.Authorization/roleAssignments/${{ put: 'write', remove: 'delete', list: 'read' }[name]}`,
    handler: roleAssignments[name],
  })),
];

/** Where operations are looked at. */
export const operationPath =
  /^\/subscriptions\/[^/]+\/providers\/Microsoft\.Compute\/locations\/[^/]+\/(?:capsOperations|operations|DiskOperations)\/([^/]+)$/i;
