import type { CallOptions } from '@imgkit/core';
import { z } from 'zod';

import type { ServiceClient } from '../http/service-client.ts';

const volume = z.looseObject({
  id: z.string(),
  status: z.string(),
  /** In GiB. */
  size: z.number(),
});

/** A volume as Cinder gives it. */
export type CinderVolume = z.infer<typeof volume>;

/** The calls of Cinder that are used. https://docs.openstack.org/api-ref/block-storage/v3/ */
export class Cinder {
  readonly #service: ServiceClient;

  constructor(service: ServiceClient) {
    this.#service = service;
  }

  async volume(id: string, options?: CallOptions): Promise<CinderVolume> {
    const path = `/volumes/${encodeURIComponent(id)}`;
    const schema = z.object({ volume });
    return (await this.#service.json({ method: 'GET', path, ...options }, schema)).volume;
  }
}
