import { compute, routesOf, type Route } from '../route.ts';
import { managedImages } from './managed-images.ts';
import { managedImageBody } from './shapes.ts';

/** Managed images: the older kind, of one region. */
export const managedImageRoutes: readonly Route[] = [
  ...routesOf({
    service: 'Images',
    path: `${compute}/images`,
    apiVersion: '2026-04-01',
    type: 'Microsoft.Compute/images',
    listName: 'ListByResourceGroup',
    listAllName: 'List',
    handlers: { ...managedImages, list: managedImages.listInGroup },
    put: managedImageBody,
    getQuery: ['$expand'],
    rates: { put: 'CreateImages' },
  }),
];
