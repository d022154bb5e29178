import type { CallOptions } from '@imgkit/core';
import { z } from 'zod';

import { statusOf } from '../errors.ts';
import type { ServiceClient } from '../http/service-client.ts';

const schedule = z.object({
  image_schedule: z.object({ retention: z.number(), day_of_week: z.string().nullish() }),
});

/** When images are made of a server, as the classic Rackspace cloud has it. */
export type NovaSchedule = z.infer<typeof schedule>['image_schedule'];

/** The calls for images that are made by a schedule. https://docs.rackspace.com/docs/cloud-servers */
export class ScheduleClient {
  readonly #service: ServiceClient;

  constructor(service: ServiceClient) {
    this.#service = service;
  }

  /** The schedule of a server; nothing when it has none. */
  async find(server: string, options?: CallOptions): Promise<NovaSchedule | undefined> {
    try {
      const request = { method: 'GET', path: pathOf(server), ...options } as const;
      return (await this.#service.json(request, schedule)).image_schedule;
    } catch (error) {
      if (statusOf(error) === 404) return undefined;
      throw error;
    }
  }

  async set(server: string, wanted: NovaSchedule, options?: CallOptions): Promise<void> {
    const json = { image_schedule: wanted };
    const path = pathOf(server);
    await this.#service.done({ method: 'POST', path, json, safe: true, ...options });
  }

  /** Ends a schedule; one that isn't there is a success. */
  async remove(server: string, options?: CallOptions): Promise<void> {
    try {
      await this.#service.done({ method: 'DELETE', path: pathOf(server), ...options });
    } catch (error) {
      if (statusOf(error) !== 404) throw error;
    }
  }
}

function pathOf(server: string): string {
  return `/servers/${encodeURIComponent(server)}/rax-si-image-schedule`;
}
