import { ImgkitError } from '@imgkit/core';

import type { ApiService } from '../client.ts';
import { parseIdOf, regionOf, zoneOf, type ResourceId } from '../resources/resource-id.ts';

/** The word for managed instance groups in ids, zonal and regional ones. */
export const groupCollection = 'instanceGroupManagers';

/** The fields with which a managed instance group is asked for. */
export interface GroupCall {
  readonly service: ApiService & ('instanceGroupManagers' | 'regionInstanceGroupManagers');
  readonly request: Readonly<Record<string, string>>;
}

/**
 * Where a group is.
 *
 * @throws {@link ImgkitError} with `NOT_FOUND` if the id is none of a group: nothing can be there.
 */
export function locateGroup(id: string): ResourceId {
  const found = parseIdOf(groupCollection, id);
  if (found !== undefined && found.scope !== 'global') return found;
  throw new ImgkitError('NOT_FOUND', `"${id}" is not the id of a managed instance group`, {
    resource: id,
    hint: 'Ids look like projects/acme/zones/us-central1-a/instanceGroupManagers/web, or with regions/us-central1.',
  });
}

/** Zonal and regional groups differ in nothing but this: the service, and the field of where they are. */
export function callOnGroup(id: string): GroupCall {
  const { name, ...place } = locateGroup(id);
  const { service, request } = callInPlace(place);
  return { service, request: { ...request, instanceGroupManager: name } };
}

/** The service and the fields of the place alone, for making a group. */
export function callInPlace({ project, scope }: Pick<ResourceId, 'project' | 'scope'>): GroupCall {
  const zone = zoneOf(scope);
  return zone === undefined
    ? {
        service: 'regionInstanceGroupManagers',
        request: { project, region: regionOf(scope) ?? scope },
      }
    : { service: 'instanceGroupManagers', request: { project, zone } };
}
