import { randomUUID } from 'node:crypto';

import { z } from 'zod';

import type { Account } from './accounts.ts';
import { md5, type ObjectStore } from './object-store.ts';
import type { Upstream } from './upstream.ts';
import { vhdFault } from './vhd-check.ts';
import { bodyOf, htmlRefusal, type Call, type Reply } from './wire.ts';

/** How long a task is shown after its end, in milliseconds. */
const keptMs = 48 * 3_600_000;

const request = z.object({
  type: z.enum(['import', 'export']),
  input: z.looseObject({
    image_properties: z.record(z.string(), z.unknown()).optional(),
    import_from: z.string().optional(),
    image_uuid: z.string().optional(),
    receiving_swift_container: z.string().optional(),
  }),
});

interface Task {
  readonly id: string;
  readonly account: string;
  readonly type: 'import' | 'export';
  readonly input: z.infer<typeof request>['input'];
  readonly createdAt: number;
  status: 'pending' | 'processing' | 'success' | 'failure';
  message: string;
  result: Readonly<Record<string, string>> | undefined;
  updatedAt: number;
  endedAt: number | undefined;
}

/** The tasks of Cloud Images: the only way in, and out, for disks. */
export class ImageTasks {
  /** Waited for before a task begins; tests hold tasks with it. */
  gate: Promise<void> = Promise.resolve();
  readonly #glance: Upstream;
  readonly #store: ObjectStore;
  readonly #now: () => number;
  readonly #tasks = new Map<string, Task>();

  constructor(glance: Upstream, store: ObjectStore, now: () => number) {
    this.#glance = glance;
    this.#store = store;
    this.#now = now;
  }

  /** How many tasks of a kind there were. */
  count(type: Task['type']): number {
    return [...this.#tasks.values()].filter((task) => task.type === type).length;
  }

  async serve(call: Call, id: string | undefined): Promise<Reply> {
    const { method, account, query } = call;
    if (id !== undefined) {
      const task = this.#tasks.get(id);
      if (method !== 'GET' || task?.account !== account.number || this.#isOver(task))
        throw htmlRefusal(404, `No task found with ID ${id}`);
      return { status: 200, json: { ...brief(task), ...details(task) } };
    }
    if (method === 'POST') return this.#begin(call);
    const rows = [...this.#tasks.values()]
      .filter((task) => task.account === account.number && !this.#isOver(task))
      .filter((task) => (query.get('type') ?? task.type) === task.type)
      .filter((task) => (query.get('status') ?? task.status) === task.status)
      .toReversed();
    const after = rows.findIndex((task) => task.id === query.get('marker')) + 1;
    const limit = Math.min(Number(query.get('limit') ?? 25), 100);
    const page = rows.slice(after, after + limit);
    const more = after + limit < rows.length;
    const next = `/v2/tasks?marker=${page.at(-1)?.id}`;
    return { status: 200, json: { tasks: page.map(brief), ...(more && { next }) } };
  }

  async #begin(call: Call): Promise<Reply> {
    const { account, token } = call;
    const asked = await bodyOf(call, request, (message) => htmlRefusal(400, message));
    const now = this.#now();
    const task: Task = {
      id: randomUUID(),
      account: account.number,
      ...asked,
      createdAt: now,
      status: 'pending',
      message: 'None',
      result: undefined,
      updatedAt: now,
      endedAt: undefined,
    };
    this.#tasks.set(task.id, task);
    void this.#work(task, account, token);
    return { status: 201, json: { ...brief(task), ...details(task) } };
  }

  async #work(task: Task, account: Account, token: string): Promise<void> {
    try {
      await this.gate;
      task.status = 'processing';
      task.result =
        task.type === 'import'
          ? await this.#import(task, account, token)
          : await this.#export(task, account, token);
      task.status = 'success';
    } catch (error) {
      task.status = 'failure';
      task.message = error instanceof Error ? error.message : String(error);
    }
    task.updatedAt = this.#now();
    task.endedAt = task.updatedAt;
  }

  async #import({ input }: Task, account: Account, token: string) {
    const { image_properties: properties = {}, import_from: from = '' } = input;
    const { name, ...others } = properties;
    if (typeof name !== 'string') throw new Error('image_properties: name is required');
    if (Object.keys(others).length > 0)
      throw new Error(`image_properties: ${Object.keys(others).join(', ')} is not allowed`);
    const [container = '', ...rest] = from.split('/');
    const object = this.#store.find(account.number, container, rest.join('/'));
    if (object === undefined) throw new Error(`Cloud Files object ${from} was not found`);
    const file = this.#store.read(account.number, object);
    const fault = vhdFault(file);
    if (fault !== undefined) throw new Error(fault);
    const id = await this.#made(token, name);
    const sent = await this.#glance.ask(token, `/images/${id}/file`, {
      method: 'PUT',
      headers: { 'content-type': 'application/octet-stream' },
      body: new Uint8Array(file),
    });
    if (!sent.ok) throw new Error(`the image service failed: ${sent.status}`);
    return { image_id: id };
  }

  async #made(token: string, name: string): Promise<string> {
    const response = await this.#glance.ask(token, '/images', {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({
        name,
        disk_format: 'vhd',
        container_format: 'ovf',
        visibility: 'shared',
      }),
    });
    return z.object({ id: z.string() }).parse(await response.json()).id;
  }

  async #export({ input }: Task, { number, project }: Account, token: string) {
    const { image_uuid: id = '', receiving_swift_container: container = '' } = input;
    const known = await this.#glance.ask(token, `/images/${id}`);
    const owner = z.object({ owner: z.string() });
    if (!known.ok || owner.parse(await known.json()).owner !== project)
      throw new Error(`an image must be owned to be exported: ${id}`);
    const objects = this.#store.containers(number).get(container);
    if (objects === undefined) throw new Error(`there is no container ${container}`);
    const response = await this.#glance.ask(token, `/images/${id}/file`);
    const content = Buffer.from(await response.arrayBuffer());
    const name = `${id}.vhd`;
    objects.set(name, {
      content,
      etag: md5(content),
      sizeBytes: content.length,
      contentType: 'application/octet-stream',
      metadata: {},
      modified: this.#now(),
    });
    return { export_location: `${container}/${name}` };
  }

  #isOver({ endedAt }: Task): boolean {
    return endedAt !== undefined && this.#now() > endedAt + keptMs;
  }
}

function brief({ id, type, status, account, createdAt, updatedAt, endedAt }: Task): object {
  return {
    id,
    type,
    status,
    owner: account,
    created_at: instant(createdAt),
    updated_at: instant(updatedAt),
    ...(endedAt !== undefined && { expires_at: instant(endedAt + keptMs) }),
    self: `/v2/tasks/${id}`,
    schema: '/v2/schemas/task',
  };
}

function details({ input, message, result }: Task): object {
  return { input, message, result: result ?? null };
}

function instant(at: number): string {
  return new Date(at).toISOString().replace(/\.\d+/, '');
}
