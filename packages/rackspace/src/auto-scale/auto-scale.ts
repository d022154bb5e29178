import type { CallOptions } from '@imgkit/core';
import { z } from 'zod';

import { statusOf } from '../errors.ts';
import type { ServiceClient } from '../http/service-client.ts';

/** How large a group may be, and what is noted of it. */
const configuration = z.looseObject({
  name: z.string(),
  minEntities: z.number(),
  maxEntities: z.number(),
  metadata: z.record(z.string(), z.string()).default({}),
});

/** What new servers of a group are made with; whatever else it says is kept. */
export const launchConfiguration = z.looseObject({
  args: z.looseObject({
    server: z.looseObject({
      imageRef: z.string(),
      flavorRef: z.string(),
      metadata: z.record(z.string(), z.string()).optional(),
    }),
  }),
});

const state = z.looseObject({
  active: z.array(z.looseObject({ id: z.string() })),
  desiredCapacity: z.number(),
  pendingCapacity: z.number(),
  paused: z.boolean(),
  status: z.string().optional(),
  errors: z.array(z.looseObject({ message: z.string() })).optional(),
});

const group = z.looseObject({
  id: z.string(),
  groupConfiguration: configuration,
  launchConfiguration,
  state,
});

const page = z.object({
  groups: z.array(z.looseObject({ id: z.string() })),
  groups_links: z.array(z.looseObject({ rel: z.string() })).optional(),
});

export type GroupConfiguration = z.infer<typeof configuration>;
export type LaunchConfiguration = z.infer<typeof launchConfiguration>;
export type GroupState = z.infer<typeof state>;
/** A group as the cloud gives it. */
export type ScalingGroup = z.infer<typeof group>;

/** The calls of Rackspace's Auto Scale that are used. https://docs.rackspace.com/docs/autoscale */
export class AutoScale {
  readonly #service: ServiceClient;

  constructor(service: ServiceClient) {
    this.#service = service;
  }

  async get(id: string, options?: CallOptions): Promise<ScalingGroup> {
    const request = { method: 'GET', path: pathOf(id), ...options } as const;
    return (await this.#service.json(request, z.object({ group }))).group;
  }

  /** Lists the groups of the account; a list doesn't say what is noted of them, so that each is asked for. */
  async *list(options?: CallOptions): AsyncGenerator<ScalingGroup, void, undefined> {
    const query = new URLSearchParams();
    for (;;) {
      const request = { method: 'GET', path: '/groups', query, ...options } as const;
      const found = await this.#service.json(request, page);
      for (const { id } of found.groups) {
        const known = await ifThere(() => this.get(id, options));
        if (known !== undefined) yield known;
      }
      const last = found.groups.at(-1);
      const hasMore = found.groups_links?.some(({ rel }) => rel === 'next') === true;
      if (!hasMore || last === undefined) return;
      query.set('marker', last.id);
    }
  }

  /** Makes a group; made once: what was lost has to be looked for. */
  async create(
    wanted: {
      readonly groupConfiguration: GroupConfiguration & { readonly cooldown: number };
      readonly launchConfiguration: LaunchConfiguration & { readonly type: string };
    },
    options?: CallOptions,
  ): Promise<string> {
    const json = { ...wanted, scalingPolicies: [] };
    const schema = z.object({ group: z.looseObject({ id: z.string() }) });
    const request = { method: 'POST', path: '/groups', json, ...options } as const;
    return (await this.#service.json(request, schema)).group.id;
  }

  async state(id: string, options?: CallOptions): Promise<GroupState> {
    const request = { method: 'GET', path: `${pathOf(id)}/state`, ...options } as const;
    return (await this.#service.json(request, z.object({ group: state }))).group;
  }

  /** Replaces the configuration of a group; new bounds change how many servers it has at once. */
  async configure(id: string, json: GroupConfiguration, options?: CallOptions): Promise<void> {
    const path = `${pathOf(id)}/config`;
    await this.#service.done({ method: 'PUT', path, json, safe: true, ...options });
  }

  /** Replaces the launch configuration of a group, as a whole; only servers made later are of it. */
  async relaunch(id: string, json: LaunchConfiguration, options?: CallOptions): Promise<void> {
    const path = `${pathOf(id)}/launch`;
    await this.#service.done({ method: 'PUT', path, json, safe: true, ...options });
  }

  /** Deletes a server of a group; one that is gone is a success. */
  async removeServer(
    id: string,
    server: string,
    { replace, ...options }: CallOptions & { readonly replace: boolean },
  ): Promise<void> {
    const query = new URLSearchParams({ replace: String(replace), purge: 'true' });
    const path = `${pathOf(id)}/servers/${encodeURIComponent(server)}`;
    await ifThere(() => this.#service.done({ method: 'DELETE', path, query, ...options }));
  }

  /** Deletes a group and its servers; one that is gone is a success. */
  async delete(id: string, options?: CallOptions): Promise<void> {
    const query = new URLSearchParams({ force: 'true' });
    await ifThere(() =>
      this.#service.done({ method: 'DELETE', path: pathOf(id), query, ...options }),
    );
  }
}

/** What a call gives; nothing when what it is about isn't there. */
export async function ifThere<T>(call: () => Promise<T>): Promise<T | undefined> {
  try {
    return await call();
  } catch (error) {
    if (statusOf(error) === 404) return undefined;
    throw error;
  }
}

function pathOf(id: string): string {
  return `/groups/${encodeURIComponent(id)}`;
}
