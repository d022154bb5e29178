import { text } from 'node:stream/consumers';

import { z } from 'zod';

import type { Accounts } from './accounts.ts';
import type { ImageTasks } from './image-tasks.ts';
import type { Upstream } from './upstream.ts';
import { bodyOf, htmlRefusal, type Call, type Refusal, type Reply } from './wire.ts';

const maxPage = 100;
const mediaTypes = [
  'application/openstack-images-v2.1-json-patch',
  'application/openstack-images-v2.0-json-patch',
];
/** What Glance has grown since. */
const unknownMembers =
  /^(?:os_hidden|os_hash_.*|os_glance_.*|virtual_size|stores|locations|direct_url)$/;
/** What a list can be asked for, beside properties of images. */
const unknownQuery = /^(?:os_hidden|sort)$/;

const patch = z.array(
  z.looseObject({ op: z.string(), path: z.string(), value: z.unknown().optional() }),
);
const image = z.looseObject({ visibility: z.string() });

/**
 * Cloud Images: what Rackspace documents of Glance v2.2, on the real Glance. There is no `POST /images`, no
 * `/file`, no `/actions`, no `/import` and no `/info`.
 */
export class ImageService {
  readonly #glance: Upstream;
  readonly #tasks: ImageTasks;
  readonly #accounts: Accounts;

  constructor(glance: Upstream, tasks: ImageTasks, accounts: Accounts) {
    this.#glance = glance;
    this.#tasks = tasks;
    this.#accounts = accounts;
  }

  readonly serve = async (call: Call): Promise<Reply> => {
    const { method, path } = call;
    const [, collection, id, part, name] = path.split('/');
    if (collection === 'tasks') return this.#tasks.serve(call, id);
    if (collection === 'schemas' && method === 'GET') return this.#glance.forward(call);
    if (collection !== 'images') throw missing();
    if (id === undefined) {
      if (method === 'GET') return this.#list(call);
      throw refused(403, 'You are not authorized to complete this action.');
    }
    if (part === undefined) return this.#image(call);
    if (part === 'members') return this.#members(call, id, name);
    if (part === 'tags' && name !== undefined) return this.#glance.forward(call);
    throw missing();
  };

  /** What it says of itself: no token is needed. */
  static versions(): Reply {
    const versions = ['v2.2', 'v2.1', 'v2.0'].map((id) => ({ id, status: 'SUPPORTED', links: [] }));
    return { status: 300, json: { versions } };
  }

  async #list(call: Call): Promise<Reply> {
    const query = new URLSearchParams(call.query);
    for (const [name, value] of call.query) {
      if (unknownQuery.test(name)) throw refused(400, `Invalid filter ${name}`);
      if (/^(?:lt|lte|gt|gte|in):/.test(value) && name.endsWith('_at'))
        throw refused(400, `Invalid filter value ${value}`);
    }
    const visibility = query.get('visibility');
    if (visibility !== null && !['public', 'private', 'shared'].includes(visibility))
      throw refused(400, `Invalid visibility value: ${visibility}`);
    const owner = query.get('owner');
    if (owner !== null) query.set('owner', this.#accounts.projectOf(owner));
    query.set('limit', String(Math.min(Number(query.get('limit') ?? 25), maxPage)));
    const page = z.looseObject({ images: z.array(z.unknown()) });
    return this.#glance.forward(call, {
      query,
      change: (content) => {
        const found = page.parse(content);
        return { ...found, images: found.images.map(shown) };
      },
    });
  }

  async #image(call: Call): Promise<Reply> {
    const { method, headers } = call;
    if (method === 'GET') return this.#glance.forward(call, { change: shown });
    if (method === 'DELETE') return this.#glance.forward(call);
    if (method !== 'PATCH') throw missing(405);
    const type = headers['content-type'] ?? '';
    if (!mediaTypes.includes(type)) throw refused(415, 'Unsupported media type.');
    const changes = await bodyOf(call, patch, (message) => refused(400, message));
    const kept = [];
    for (const change of changes) {
      if (unknownMembers.test(change.path.slice(1)))
        throw refused(403, `Attribute ${change.path} is reserved.`);
      if (change.path !== '/visibility') kept.push(change);
      else if (change.value === 'public')
        throw refused(403, 'You are not authorized to complete this action.');
      else if (change.value !== 'private')
        throw refused(400, `Invalid visibility value: ${String(change.value)}`);
    }
    if (kept.length === 0) return this.#glance.forward(call, { method: 'GET', change: shown });
    return this.#glance.forward(call, {
      headers: { 'content-type': mediaTypes[0] ?? '' },
      body: JSON.stringify(kept),
      change: shown,
    });
  }

  async #members(call: Call, id: string, member: string | undefined): Promise<Reply> {
    const { method, token } = call;
    const path = `/images/${id}/members`;
    if (member !== undefined) {
      const body = method === 'PUT' ? await text(call.body) : undefined;
      return this.#glance.forward(call, {
        path: `${path}/${this.#accounts.projectOf(member)}`,
        headers: { 'content-type': 'application/json' },
        body,
      });
    }
    const { visibility } = image.parse(await this.#known(token, id));
    if (method === 'GET')
      return visibility === 'private'
        ? { status: 200, json: { members: [], schema: '/v2/schemas/members' } }
        : this.#glance.forward(call);
    const schema = z.object({ member: z.string() });
    const asked = await bodyOf(call, schema, (message) => refused(400, message));
    if (visibility === 'private') {
      // Here an image is shared by having members.
      const body = JSON.stringify([{ op: 'replace', path: '/visibility', value: 'shared' }]);
      const headers = { 'content-type': mediaTypes[0] ?? '' };
      await this.#glance.ask(token, `/images/${id}`, { method: 'PATCH', headers, body });
    }
    return this.#glance.forward(call, {
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ member: this.#accounts.projectOf(asked.member) }),
    });
  }

  async #known(token: string, id: string): Promise<unknown> {
    const response = await this.#glance.ask(token, `/images/${id}`);
    if (response.ok) return response.json();
    throw refused(404, `No image found with ID ${id}`);
  }
}

/** An image as this old Glance has it: without what is newer, and private while it is shared. */
function shown(content: unknown): unknown {
  const known = image.parse(content);
  const entries = Object.entries(known).filter(([name]) => !unknownMembers.test(name));
  const visibility = known.visibility === 'shared' ? 'private' : known.visibility;
  return { ...Object.fromEntries(entries), visibility };
}

function refused(status: number, message: string): Refusal {
  return htmlRefusal(status, message);
}

function missing(status = 404): Refusal {
  return htmlRefusal(status, 'The resource could not be found.');
}
