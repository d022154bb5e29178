import { text } from 'node:stream/consumers';

import { z } from 'zod';

import type { ImageSchedules } from './image-schedules.ts';
import type { Upstream } from './upstream.ts';
import { faultRefusal, type Call, type Reply } from './wire.ts';

/** The networks that every account has. */
export const publicNetwork = '00000000-0000-0000-0000-000000000000';
const serviceNetwork = '11111111-1111-1111-1111-111111111111';

const creation = z.looseObject({
  server: z.looseObject({
    'OS-DCF:diskConfig': z.string().optional(),
    networks: z.array(z.object({ uuid: z.string() })).optional(),
  }),
});

/** The newest version of Nova that takes a text for the networks, which the tests' Nova has none of. */
const withoutNetworks = { 'openstack-api-version': 'compute 2.37' };

/** Cloud Servers: Nova v2 without microversions, on the real Nova. */
export class ServerService {
  readonly #nova: Upstream;
  readonly #schedules: ImageSchedules;

  constructor(nova: Upstream, schedules: ImageSchedules) {
    this.#nova = nova;
    this.#schedules = schedules;
  }

  readonly serve = async (call: Call): Promise<Reply> => {
    const { method, path } = call;
    const [, collection = '', id, part] = path.split('/');
    if (collection === 'images' || collection.startsWith('os-volume'))
      throw faultRefusal(404, 'itemNotFound', 'The resource could not be found.');
    if (collection === 'servers' && part === 'rax-si-image-schedule')
      return this.#schedules.serve(call, id ?? '');
    if (collection === 'servers' && method === 'POST' && id === undefined)
      return this.#create(call);
    const hasBody = method === 'POST' || method === 'PUT';
    const reply = await this.#nova.forward(call, {
      headers: { 'content-type': 'application/json' },
      body: hasBody ? await text(call.body) : undefined,
      change: shown,
    });
    const location = reply.headers?.['location'];
    if (location === undefined) return reply;
    // An address of this service, which leads nowhere either.
    const image = location.slice(location.lastIndexOf('/') + 1);
    const place = `https://dfw.servers.api.example.com/v2/${call.account.number}/images/${image}`;
    return { ...reply, headers: { ...reply.headers, location: place } };
  };

  /** What it says of itself: no token is needed, and there are no microversions. */
  static versions(): Reply {
    return { status: 200, json: { versions: [{ id: 'v2.0', status: 'CURRENT', links: [] }] } };
  }

  async #create(call: Call): Promise<Reply> {
    const parsed = creation.safeParse(JSON.parse(await text(call.body)));
    if (!parsed.success) throw faultRefusal(400, 'badRequest', 'Invalid request body.');
    const { networks, ...server } = parsed.data.server;
    const disk = server['OS-DCF:diskConfig'];
    if (disk !== undefined && disk !== 'AUTO' && disk !== 'MANUAL')
      throw faultRefusal(400, 'badRequest', 'OS-DCF:diskConfig must be either AUTO or MANUAL.');
    const unknown = networks?.find(({ uuid }) => ![publicNetwork, serviceNetwork].includes(uuid));
    if (unknown !== undefined)
      throw faultRefusal(400, 'badRequest', `Network ${unknown.uuid} was not found.`);
    return this.#nova.forward(call, {
      headers: { 'content-type': 'application/json', ...withoutNetworks },
      body: JSON.stringify({ ...parsed.data, server: { ...server, networks: 'none' } }),
    });
  }
}

/** Servers as this cloud shows them: with addresses of its two networks. */
function shown(content: unknown): unknown {
  const one = z.looseObject({ server: z.looseObject({}) }).safeParse(content);
  if (one.success) return { ...one.data, server: addressed(one.data.server) };
  const many = z.looseObject({ servers: z.array(z.looseObject({})) }).safeParse(content);
  if (many.success) return { ...many.data, servers: many.data.servers.map(addressed) };
  return content;
}

function addressed(server: Readonly<Record<string, unknown>>): object {
  if (server['status'] === undefined) return server;
  return {
    ...server,
    accessIPv4: '127.0.0.1',
    addresses: {
      private: [{ version: 4, addr: '10.176.0.1' }],
      public: [{ version: 4, addr: '127.0.0.1' }],
    },
  };
}
