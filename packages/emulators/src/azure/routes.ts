import { computeUsageRoutes } from './compute-usage/routes.ts';
import { diskRoutes } from './disks/routes.ts';
import { galleryRoutes } from './galleries/routes.ts';
import { managedImageRoutes } from './managed-images/routes.ts';
import { managementRoutes } from './management/routes.ts';
import { marketplaceRoutes } from './marketplace/routes.ts';
import { publicGalleryRoutes } from './public-galleries/routes.ts';
import { machineRoutes } from './machines/routes.ts';
import { networkRoutes } from './networks/routes.ts';
import { restorePointRoutes } from './restore-points/routes.ts';
import type { Route } from './route.ts';
import { scaleSetRoutes } from './scale-sets/routes.ts';

/** Everything that is emulated. */
export const routes: readonly Route[] = [
  ...managementRoutes,
  ...galleryRoutes,
  ...managedImageRoutes,
  ...diskRoutes,
  ...marketplaceRoutes,
  ...computeUsageRoutes,
  ...publicGalleryRoutes,
  ...scaleSetRoutes,
  ...restorePointRoutes,
  ...machineRoutes,
  ...networkRoutes,
];

/** Where operations are looked at. */
export const operationPath =
  /^\/subscriptions\/[^/]+\/providers\/Microsoft\.(?:Compute|Network)\/locations\/[^/]+\/(?:capsOperations|operations|DiskOperations)\/([^/]+)$/i;
