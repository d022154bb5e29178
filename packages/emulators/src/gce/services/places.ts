import type { Call, Service } from '../call.ts';
import type { JsonObject } from '../../control-plane/json.ts';
import { notFound } from '../errors.ts';
import { policyOf } from '../iam.ts';
import { selfLink } from '../links.ts';
import { regionOfZone } from '../locations.ts';
import { listAnswer } from '../paging.ts';
import { showQuotas } from '../quotas.ts';
import { ResourceType, type Project, type Stored, type World } from '../state.ts';

const zoneType = new ResourceType<Stored>({ collection: 'zones', singular: 'zone' });
const regionType = new ResourceType<Stored>({ collection: 'regions', singular: 'region' });

/** Always the same: places have no history here. */
const created = '1969-12-31T16:00:00.000-08:00';

function place(project: Project, collection: string, name: string, more: JsonObject): Stored {
  const singular = collection.slice(0, -1);
  const link = `projects/${project.id}/${collection}/${name}`;
  return {
    project,
    location: 'global',
    name,
    link,
    policy: policyOf([]),
    resource: {
      kind: `compute#${singular}`,
      id: String(1000 + Buffer.from(name).reduce((sum, byte) => sum * 7 + byte, 0)),
      creationTimestamp: created,
      name,
      description: name,
      status: 'UP',
      selfLink: selfLink(link),
      ...more,
    },
  };
}

function zoneOf(project: Project, zone: string): Stored {
  return place(project, 'zones', zone, {
    region: selfLink(`projects/${project.id}/regions/${regionOfZone(zone)}`),
    availableCpuPlatforms: ['Intel Broadwell', 'Intel Skylake', 'AMD Rome', 'AMD Milan'],
    supportsPzs: false,
  });
}

function regionOf(world: World, project: Project, region: string): Stored {
  return place(project, 'regions', region, {
    zones: (world.regions[region] ?? []).map((zone) =>
      selfLink(`projects/${project.id}/zones/${zone}`),
    ),
    quotas: showQuotas(project, region),
    supportsPzs: false,
  });
}

function shown(call: Call, permission: string, stored: Stored | undefined): JsonObject {
  call.permit(permission, call.project);
  if (!stored) throw notFound(`projects/${call.project.id}`);
  return stored.resource;
}

export const zones: Service = {
  Get: (call) => shown(call, 'compute.zones.get', zoneOf(call.project, call.param('zone'))),
  List(call) {
    call.permit('compute.zones.list', call.project);
    const all = Object.values(call.world.regions).flat();
    return listAnswer(
      call,
      zoneType,
      all.map((zone) => zoneOf(call.project, zone)),
    );
  },
};

export const regions: Service = {
  Get: (call) =>
    shown(call, 'compute.regions.get', regionOf(call.world, call.project, call.param('region'))),
  List(call) {
    call.permit('compute.regions.list', call.project);
    const all = Object.keys(call.world.regions);
    return listAnswer(
      call,
      regionType,
      all.map((region) => regionOf(call.world, call.project, region)),
    );
  },
};
