import { pathOf, type Route } from '../route.ts';
import { publicGalleries } from './public-galleries.ts';

const location = '/subscriptions/{}/providers/Microsoft.Compute/locations/{}';

const levels = [
  ['Galleries', ''],
  ['GalleryImages', '/{}/images'],
  ['GalleryImageVersions', '/{}/images/{}/versions'],
] as const;

/** What others share: with a subscription or a tenant, or with everybody. */
export const publicGalleryRoutes: readonly Route[] = (['Shared', 'Community'] as const).flatMap(
  (kind) =>
    levels.flatMap(([service, below]): Route[] => {
      const collection = `${location}/${kind.toLowerCase()}Galleries${below}`;
      const common = {
        method: 'GET',
        apiVersion: '2025-12-03',
        action: `Microsoft.Compute/locations/${kind.toLowerCase()}Galleries/read`,
      } as const;
      const get: Route = {
        ...common,
        rpc: `${kind}${service}.Get`,
        path: pathOf(`${collection}/{}`),
        query: [],
        handler: publicGalleries.get,
      };
      // Nobody can list all that is shared with everybody.
      if (kind === 'Community' && below === '') return [get];
      const list: Route = {
        ...common,
        rpc: `${kind}${service}.List`,
        path: pathOf(collection),
        query: ['$skiptoken', ...(kind === 'Shared' ? ['sharedTo'] : [])],
        handler: publicGalleries.list,
      };
      return [get, list];
    }),
);
