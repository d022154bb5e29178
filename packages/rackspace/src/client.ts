import type { CallOptions, Retrier } from '@imgkit/core';

import { AutoScale } from './auto-scale/auto-scale.ts';
import { Cinder } from './cinder/cinder.ts';
import type { CloudSettings, ServiceSettings } from './configuration/cloud-settings.ts';
import { Glance } from './glance/glance.ts';
import { ImageTasks } from './glance/image-tasks.ts';
import { ServiceClient } from './http/service-client.ts';
import type { Transport } from './http/transport.ts';
import { endpointsOf } from './identity/catalog.ts';
import { Keystone } from './identity/keystone.ts';
import { Session } from './identity/session.ts';
import { Neutron } from './neutron/neutron.ts';
import { Nova } from './nova/nova.ts';
import { ScheduleClient } from './nova/schedule-client.ts';
import { Swift } from './swift/swift.ts';

/** Rackspace's Auto Scale in the catalogue. */
export const autoScaleType = 'rax:autoscale';

/** How images come in and go out by tasks over the object store, and are made by schedules. */
export interface ClassicClient {
  readonly tasks: ImageTasks;
  readonly swift: Swift;
  readonly schedules: ScheduleClient;
  readonly scale: AutoScale;
}

/** The services of one cloud, as one user in one project. */
export interface CloudClient {
  /** The id of the project. */
  project(options?: CallOptions): Promise<string>;
  /** Whether the cloud has a service of a type, in the region: `network`, `block-storage`. */
  offers(type: string, options?: CallOptions): Promise<boolean>;
  readonly keystone: Keystone;
  readonly glance: Glance;
  readonly nova: Nova;
  readonly neutron: Neutron;
  readonly cinder: Cinder;
  /** What only the classic Rackspace cloud has. */
  readonly classic?: ClassicClient | undefined;
}

/** Makes the client of a cloud. Nothing is asked of the cloud yet. */
export function connect(settings: CloudSettings, retrier: Retrier, send?: Transport): CloudClient {
  const session = new Session({ settings, retrier, send });
  const service = (type: string, version: string, own: ServiceSettings = {}): ServiceClient =>
    new ServiceClient({ session, retrier, type, version, settings: own });
  const image = service('image', 'v2', settings.image);
  const compute = service('compute', 'v2.1', settings.compute);
  const { usesImageTasks = false } = settings;
  const identity = service('identity', 'v3', { endpoint: settings.authUrl });
  const given: Readonly<Record<string, ServiceSettings | undefined>> = {
    image: settings.image,
    compute: settings.compute,
    network: settings.network,
    'block-storage': settings.volume,
  };
  return {
    project: (options) => session.project(options),
    async offers(type, options) {
      // What has an address of its own needs none of the catalogue's.
      if (given[type]?.endpoint !== undefined) return true;
      const { catalog, defaultRegion } = await session.token(options);
      return endpointsOf(catalog, type, settings.region ?? defaultRegion).length > 0;
    },
    keystone: new Keystone(identity),
    glance: new Glance(image, { usesTasks: usesImageTasks }),
    nova: new Nova(compute),
    classic: usesImageTasks
      ? {
          tasks: new ImageTasks(image),
          swift: new Swift(service('object-store', 'v1', settings.objectStore)),
          schedules: new ScheduleClient(compute),
          scale: new AutoScale(service(autoScaleType, 'v1.0')),
        }
      : undefined,
    neutron: new Neutron(service('network', 'v2.0', settings.network)),
    cinder: new Cinder(service('block-storage', 'v3', settings.volume)),
  };
}
