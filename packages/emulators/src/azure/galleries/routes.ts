import { actionRoute, compute, pathOf, routesOf, type Route } from '../route.ts';
import { galleries } from './galleries.ts';
import { imageDefinitions } from './image-definitions.ts';
import { imageVersions } from './image-versions.ts';
import * as shapes from './shapes.ts';
import { listDeleted } from './soft-deletion.ts';

const gallery = `${compute}/galleries/{}`;
const definition = `${gallery}/images/{}`;
const apiVersion = '2025-12-03';

/** Compute Galleries and what is in them. */
export const galleryRoutes: readonly Route[] = [
  ...routesOf({
    service: 'Galleries',
    path: `${compute}/galleries`,
    apiVersion,
    type: 'Microsoft.Compute/galleries',
    listName: 'ListByResourceGroup',
    listAllName: 'List',
    handlers: { ...galleries, list: galleries.listInGroup },
    put: shapes.galleryBody,
    patch: shapes.galleryUpdate,
    getQuery: ['$select', '$expand'],
    rates: { put: 'CreateUpdateGallery' },
  }),
  actionRoute({
    service: 'GallerySharingProfile',
    rpc: 'Update',
    path: gallery,
    name: 'share',
    apiVersion,
    type: 'Microsoft.Compute/galleries',
    body: shapes.shareBody,
    rate: 'PostShareGallery',
    handler: galleries.share,
  }),
  {
    rpc: 'SoftDeletedResource.ListByArtifactName',
    method: 'GET',
    path: pathOf(`${gallery}/softdeletedartifacttypes/images/artifacts/{}/versions`),
    apiVersion,
    query: ['$skiptoken'],
    action: 'Microsoft.Compute/galleries/softDeletedArtifactTypes/artifacts/versions/read',
    handler: listDeleted,
  },
  ...routesOf({
    service: 'GalleryImages',
    path: `${gallery}/images`,
    apiVersion,
    type: 'Microsoft.Compute/galleries/images',
    listName: 'ListByGallery',
    handlers: imageDefinitions,
    put: shapes.definitionBody,
    patch: shapes.definitionUpdate,
    rates: { put: 'CreateUpdateGalleryImage' },
  }),
  ...routesOf({
    service: 'GalleryImageVersions',
    path: `${definition}/versions`,
    apiVersion,
    type: 'Microsoft.Compute/galleries/images/versions',
    listName: 'ListByGalleryImage',
    handlers: imageVersions,
    put: shapes.versionBody,
    patch: shapes.versionUpdate,
    getQuery: ['$expand'],
    rates: {
      get: 'GetGalleryImageVersion',
      list: 'ListGalleryImageVersionsInGalleryImage',
      put: 'CreateUpdateGalleryImageVersion',
      remove: 'DeleteGalleryImageVersion',
    },
  }),
];
