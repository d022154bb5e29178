import type { CallOptions } from '@imgkit/core';
import { z } from 'zod';

import type { ServiceClient } from '../http/service-client.ts';

const network = z.looseObject({
  id: z.string(),
  name: z.string(),
  'router:external': z.boolean().optional(),
});
const port = z.looseObject({ id: z.string(), device_id: z.string() });
const floatingIp = z.looseObject({
  id: z.string(),
  floating_ip_address: z.string(),
  port_id: z.string().nullish(),
  description: z.string().nullish(),
  created_at: z.string().nullish(),
});

export type NeutronNetwork = z.infer<typeof network>;
export type NeutronPort = z.infer<typeof port>;
export type NeutronFloatingIp = z.infer<typeof floatingIp>;

/** The calls of Neutron that are used. https://docs.openstack.org/api-ref/network/v2/ */
export class Neutron {
  readonly #service: ServiceClient;

  constructor(service: ServiceClient) {
    this.#service = service;
  }

  /** The networks that the project sees: all of a name, or the one of an id. */
  async networks(
    filter: Readonly<Record<string, string>>,
    options?: CallOptions,
  ): Promise<readonly NeutronNetwork[]> {
    return (
      await this.#list('/networks', filter, z.object({ networks: z.array(network) }), options)
    ).networks;
  }

  /** The ports of a server. */
  async ports(server: string, options?: CallOptions): Promise<readonly NeutronPort[]> {
    const schema = z.object({ ports: z.array(port) });
    return (await this.#list('/ports', { device_id: server }, schema, options)).ports;
  }

  async floatingIps(
    filter: Readonly<Record<string, string>>,
    options?: CallOptions,
  ): Promise<readonly NeutronFloatingIp[]> {
    const schema = z.object({ floatingips: z.array(floatingIp) });
    return (await this.#list('/floatingips', filter, schema, options)).floatingips;
  }

  /** Takes an address out of an external network, for a port. */
  async createFloatingIp(
    wanted: {
      readonly floating_network_id: string;
      readonly port_id: string;
      readonly description: string;
    },
    options?: CallOptions,
  ): Promise<NeutronFloatingIp> {
    const json = { floatingip: wanted };
    const schema = z.object({ floatingip: floatingIp });
    const request = { method: 'POST', path: '/floatingips', json, ...options } as const;
    return (await this.#service.json(request, schema)).floatingip;
  }

  /** Gives an address back. */
  async deleteFloatingIp(id: string, options?: CallOptions): Promise<void> {
    const path = `/floatingips/${encodeURIComponent(id)}`;
    await this.#service.done({ method: 'DELETE', path, ...options });
  }

  #list<T>(
    path: string,
    filter: Readonly<Record<string, string>>,
    schema: z.ZodType<T>,
    options?: CallOptions,
  ): Promise<T> {
    const query = new URLSearchParams(filter);
    return this.#service.json({ method: 'GET', path, query, ...options }, schema);
  }
}
