import { z } from 'zod';

import type { Account, Accounts } from './accounts.ts';
import type { Upstream } from './upstream.ts';
import { bodyOf, faultRefusal, type Call, type Reply } from './wire.ts';

const dayMs = 86_400_000;
const days = [
  'SUNDAY',
  'MONDAY',
  'TUESDAY',
  'WEDNESDAY',
  'THURSDAY',
  'FRIDAY',
  'SATURDAY',
] as const;

const request = z.object({
  image_schedule: z.strictObject({
    retention: z.int().min(1).max(65_535),
    day_of_week: z.enum(days).optional(),
  }),
});

type Schedule = z.infer<typeof request>['image_schedule'];

/** What marks the images that the schedule made, and may delete. */
const mark = { 'org.openstack__1__created-by': 'scheduled-images-service' };

const row = z.looseObject({ id: z.string(), created_at: z.string() });

/** `rax-si-image-schedule`: images of servers, made every day or week when the time has come. */
export class ImageSchedules {
  readonly #nova: Upstream;
  readonly #glance: Upstream;
  readonly #accounts: Accounts;
  readonly #schedules = new Map<string, { readonly account: Account; readonly is: Schedule }>();
  #made = 1_400_000_000;

  constructor(nova: Upstream, glance: Upstream, accounts: Accounts) {
    this.#nova = nova;
    this.#glance = glance;
    this.#accounts = accounts;
  }

  async serve(call: Call, server: string): Promise<Reply> {
    const { method, account, token } = call;
    await this.#name(token, server);
    const known = this.#schedules.get(server);
    if (method === 'POST') {
      const asked = await bodyOf(call, request, (message) =>
        faultRefusal(400, 'badRequest', message),
      );
      this.#schedules.set(server, { account, is: asked.image_schedule });
      return { status: 200, json: asked };
    }
    if (known === undefined)
      throw faultRefusal(404, 'itemNotFound', `Image schedule not found for server ${server}`);
    if (method === 'GET') return { status: 200, json: { image_schedule: known.is } };
    this.#schedules.delete(server);
    return { status: 202 };
  }

  /** Makes the images that are due between two instants, and deletes what is over. */
  async pass(from: number, to: number): Promise<void> {
    for (let at = Math.floor(from / dayMs) + 1; at * dayMs <= to; at += 1) {
      const today = days[new Date(at * dayMs).getUTCDay()];
      for (const [server, { account, is }] of this.#schedules) {
        if (is.day_of_week !== undefined && is.day_of_week !== today) continue;
        await this.#make(server, account, is);
      }
    }
  }

  async #make(server: string, account: Account, { retention, day_of_week: day }: Schedule) {
    const { id: token } = await this.#accounts.issue(account);
    this.#made += 1;
    const prefix = day === undefined ? 'daily' : 'weekly';
    const name = `${prefix}-${await this.#name(token, server)}-${this.#made}`;
    const response = await this.#nova.ask(token, `/servers/${server}/action`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ createImage: { name, metadata: mark } }),
    });
    const id = response.headers.get('location')?.split('/').at(-1) ?? '';
    const state = z.object({ status: z.string() });
    for (;;) {
      const image = await this.#glance.ask(token, `/images/${id}`);
      if (state.parse(await image.json()).status === 'active') break;
      const { promise, resolve } = Promise.withResolvers<void>();
      setTimeout(resolve, 50);
      await promise;
    }
    await this.#retain(token, server, retention);
  }

  /** Deletes the oldest of its own images of a server. */
  async #retain(token: string, server: string, retention: number): Promise<void> {
    const query = new URLSearchParams({
      ...mark,
      instance_uuid: server,
      visibility: 'all',
      sort: 'created_at:desc,name:desc',
    });
    const response = await this.#glance.ask(token, `/images?${query.toString()}`);
    const { images } = z.object({ images: z.array(row) }).parse(await response.json());
    for (const { id } of images.slice(retention))
      await this.#glance.ask(token, `/images/${id}`, { method: 'DELETE' });
  }

  async #name(token: string, server: string): Promise<string> {
    const response = await this.#nova.ask(token, `/servers/${server}`);
    if (!response.ok) throw faultRefusal(404, 'itemNotFound', 'Instance could not be found');
    const schema = z.object({ server: z.object({ name: z.string() }) });
    return schema.parse(await response.json()).server.name;
  }
}
