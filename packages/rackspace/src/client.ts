import type { CallOptions, Retrier } from '@imgkit/core';

import type { CloudSettings } from './configuration/cloud-settings.ts';
import { Glance } from './glance/glance.ts';
import { ServiceClient } from './http/service-client.ts';
import type { Transport } from './http/transport.ts';
import { Session } from './identity/session.ts';
import { Nova } from './nova/nova.ts';

/** The services of one cloud, as one user in one project. */
export interface CloudClient {
  /** The id of the project. */
  project(options?: CallOptions): Promise<string>;
  readonly glance: Glance;
  readonly nova: Nova;
}

/** Makes the client of a cloud. Nothing is asked of the cloud yet. */
export function connect(settings: CloudSettings, retrier: Retrier, send?: Transport): CloudClient {
  const session = new Session({ settings, retrier, send });
  const service = (type: 'image' | 'compute', version: string): ServiceClient =>
    new ServiceClient({ session, retrier, type, version, settings: settings[type] });
  return {
    project: (options) => session.project(options),
    glance: new Glance(service('image', 'v2')),
    nova: new Nova(service('compute', 'v2.1')),
  };
}
