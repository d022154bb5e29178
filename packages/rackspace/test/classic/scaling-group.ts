import { randomBytes } from 'node:crypto';

import { z } from 'zod';

import type { Account, Accounts } from './accounts.ts';
import type { Upstream } from './upstream.ts';

/** How large a group may be, and what is noted of it. */
export const groupConfiguration = z.strictObject({
  name: z.string().min(1),
  cooldown: z.int().min(0).max(86_400),
  minEntities: z.int().min(0).max(1000),
  maxEntities: z.int().min(0).max(1000).default(1000),
  metadata: z.record(z.string(), z.string()).default({}),
});

/** What its servers are made of; kept as it is. */
export const launchConfiguration = z.looseObject({
  type: z.literal('launch_server'),
  args: z.looseObject({
    server: z.looseObject({
      name: z.string().optional(),
      imageRef: z.string().min(1),
      flavorRef: z.string().min(1),
      metadata: z.record(z.string(), z.string()).optional(),
      networks: z.unknown().optional(),
    }),
  }),
});

/** How often Nova is asked for a server that it makes: each time costs it as much as a tenth of the server. */
const pollMs = 250;

/** What groups need around them. */
export interface GroupSurroundings {
  readonly nova: Upstream;
  readonly accounts: Accounts;
  /** Why no server can be made; tests say so. */
  readonly trouble: { message: string | undefined };
}

/** A group, whose servers are real ones. */
export class ScalingGroup {
  readonly id: string;
  readonly account: Account;
  configuration: z.infer<typeof groupConfiguration>;
  launch: z.infer<typeof launchConfiguration>;
  desired: number;
  paused = false;
  pending = 0;
  active: { readonly id: string; readonly links: readonly object[] }[] = [];
  errors: { readonly message: string }[] = [];
  /** How many servers it has made so far. */
  made = 0;
  scaledAt = 0;
  readonly #nova: Upstream;
  readonly #accounts: Accounts;
  readonly #trouble: GroupSurroundings['trouble'];
  #work: Promise<void> = Promise.resolve();

  constructor(
    { id, account }: Pick<ScalingGroup, 'id' | 'account'>,
    made: Pick<ScalingGroup, 'configuration' | 'launch'>,
    { nova, accounts, trouble }: GroupSurroundings,
  ) {
    this.id = id;
    this.account = account;
    this.configuration = made.configuration;
    this.launch = made.launch;
    this.desired = made.configuration.minEntities;
    this.#nova = nova;
    this.#accounts = accounts;
    this.#trouble = trouble;
  }

  /** Keeps the wish within the bounds, and has it carried out. */
  converge(): void {
    const { minEntities, maxEntities } = this.configuration;
    this.desired = Math.min(Math.max(this.desired, minEntities), maxEntities);
    this.#work = this.#work.then(() => this.#carryOut());
  }

  /** Takes a server out of the group. */
  remove(server: string, purge: boolean): void {
    this.active = this.active.filter(({ id }) => id !== server);
    if (purge) this.#work = this.#work.then(() => this.#delete(server));
  }

  /** When nothing is to be done any more. */
  settled(): Promise<void> {
    return this.#work;
  }

  async #carryOut(): Promise<void> {
    this.errors = [];
    while (this.active.length > this.desired) {
      const [oldest] = this.active;
      if (oldest === undefined) break;
      this.active = this.active.slice(1);
      await this.#delete(oldest.id);
    }
    while (this.active.length < this.desired) {
      this.pending = this.desired - this.active.length;
      const id = await this.#launch();
      if (id === undefined) break;
      this.active.push({ id, links: [] });
    }
    this.pending = 0;
  }

  async #launch(): Promise<string | undefined> {
    const { message } = this.#trouble;
    if (message !== undefined) return this.#failed(message);
    const { id: token } = await this.#accounts.issue(this.account);
    const { networks: _, ...server } = this.launch.args.server;
    const suffix = randomBytes(4).toString('hex');
    const response = await this.#nova.ask(token, '/servers', {
      method: 'POST',
      headers: {
        'content-type': 'application/json',
        'openstack-api-version': 'compute 2.37',
      },
      body: JSON.stringify({
        server: {
          ...server,
          name: `${server.name ?? this.configuration.name}-AS${suffix}`,
          networks: 'none',
          metadata: { ...server.metadata, 'rax:auto_scaling_group_id': this.id },
        },
      }),
    });
    if (!response.ok) return this.#failed(await response.text());
    this.made += 1;
    const { id } = z
      .object({ server: z.object({ id: z.string() }) })
      .parse(await response.json()).server;
    const state = z.object({ server: z.object({ status: z.string() }) });
    for (;;) {
      const shown = await this.#nova.ask(token, `/servers/${id}`);
      const { status } = state.parse(await shown.json()).server;
      if (status === 'ACTIVE') return id;
      if (status === 'ERROR') return this.#failed(`Server ${id} failed`);
      const { promise, resolve } = Promise.withResolvers<void>();
      setTimeout(resolve, pollMs);
      await promise;
    }
  }

  #failed(message: string): undefined {
    this.errors.push({ message });
    return undefined;
  }

  async #delete(server: string): Promise<void> {
    const { id: token } = await this.#accounts.issue(this.account);
    await this.#nova.ask(token, `/servers/${server}`, { method: 'DELETE' });
  }
}
