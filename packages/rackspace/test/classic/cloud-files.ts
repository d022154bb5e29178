import { buffer } from 'node:stream/consumers';

import { z } from 'zod';

import { md5, type ObjectStore, type Segment, type StoredObject } from './object-store.ts';
import { htmlRefusal, type Call, type Reply } from './wire.ts';

const pageSize = 10_000;
const maxSegments = 1000;
/** All segments but the last are at least so long. */
const minSegmentBytes = 1 << 20;

const manifest = z.array(
  z.object({ path: z.string(), etag: z.string().nullish(), size_bytes: z.number().nullish() }),
);

/** Cloud Files: containers, objects and static large objects. https://docs.openstack.org/api-ref/object-store/ */
export class CloudFiles {
  readonly #store: ObjectStore;
  readonly #now: () => number;
  /** What is noted of containers, as headers. */
  readonly #notes = new WeakMap<object, Readonly<Record<string, string>>>();

  constructor(store: ObjectStore, now: () => number) {
    this.#store = store;
    this.#now = now;
  }

  readonly serve = async (call: Call): Promise<Reply> => {
    const [, container = '', ...rest] = call.path.split('/').map(decodeURIComponent);
    const object = rest.join('/');
    if (container === '') return this.#containers(call);
    return object === '' ? this.#container(call, container) : this.#object(call, container, object);
  };

  #containers({ method, account }: Call): Reply {
    if (method !== 'GET' && method !== 'HEAD') throw htmlRefusal(405, 'not here');
    const names = [...this.#store.containers(account.number).keys()].toSorted();
    return { status: 200, json: names.map((name) => ({ name })) };
  }

  #container({ method, account, query, headers }: Call, name: string): Reply {
    const containers = this.#store.containers(account.number);
    const found = containers.get(name);
    if (method === 'PUT') {
      const container = found ?? new Map<string, StoredObject>();
      containers.set(name, container);
      const note = metadataOf('container', headers);
      this.#notes.set(container, { ...this.#notes.get(container), ...note });
      return { status: found === undefined ? 201 : 202 };
    }
    if (found === undefined) throw htmlRefusal(404, 'The resource could not be found.');
    if (method === 'DELETE') {
      if (found.size > 0) throw htmlRefusal(409, 'There was a conflict: it is not empty.');
      containers.delete(name);
      return { status: 204 };
    }
    return method === 'HEAD'
      ? { status: 204, headers: this.#notes.get(found) ?? {} }
      : { status: 200, json: listing(found, query) };
  }

  async #object(call: Call, container: string, name: string): Promise<Reply> {
    const { method, account, query } = call;
    const objects = this.#store.containers(account.number).get(container);
    if (objects === undefined) throw htmlRefusal(404, 'The resource could not be found.');
    if (method === 'PUT') {
      const bytes = await buffer(call.body);
      const made =
        query.get('multipart-manifest') === 'put'
          ? this.#large(call, bytes)
          : this.#small(call, bytes);
      objects.set(name, made);
      return { status: 201, headers: { etag: made.etag } };
    }
    const found = objects.get(name);
    if (found === undefined) throw htmlRefusal(404, 'The resource could not be found.');
    if (method === 'DELETE') {
      objects.delete(name);
      if (query.get('multipart-manifest') !== 'delete') return { status: 204 };
      if (!Buffer.isBuffer(found.content))
        for (const { path } of found.content) this.#remove(account.number, path);
      return { status: 200, json: { 'Response Status': '200 OK', Errors: [] } };
    }
    const headers = {
      etag: found.etag,
      'content-type': found.contentType,
      ...found.metadata,
      ...(Buffer.isBuffer(found.content) ? {} : { 'x-static-large-object': 'True' }),
    };
    if (method === 'HEAD')
      return { status: 200, headers: { ...headers, 'content-length': String(found.sizeBytes) } };
    return { status: 200, headers, body: this.#store.read(account.number, found) };
  }

  #small({ headers }: Call, bytes: Buffer): StoredObject {
    const etag = md5(bytes);
    const said = headers.etag?.replaceAll('"', '');
    if (said !== undefined && said !== etag) throw htmlRefusal(422, 'The ETag does not match.');
    return this.#stored(headers, bytes, etag, bytes.length);
  }

  /** https://docs.openstack.org/swift/latest/overview_large_objects.html */
  #large({ headers, account }: Call, bytes: Buffer): StoredObject {
    const parsed = manifest.safeParse(JSON.parse(bytes.toString()));
    if (!parsed.success) throw htmlRefusal(400, 'The manifest is invalid.');
    if (parsed.data.length > maxSegments) throw htmlRefusal(413, 'Too many segments.');
    const segments: Segment[] = [];
    for (const [index, { path, etag, size_bytes: size }] of parsed.data.entries()) {
      const [, container = '', ...rest] = path.split('/');
      const part = this.#store.find(account.number, container, rest.join('/'));
      if (part === undefined) throw htmlRefusal(400, `Errors: ${path}, 404 Not Found`);
      if ((etag && etag !== part.etag) || (size && size !== part.sizeBytes))
        throw htmlRefusal(400, `Errors: ${path}, Etag or size Mismatch`);
      if (index < parsed.data.length - 1 && part.sizeBytes < minSegmentBytes)
        throw htmlRefusal(400, `Errors: ${path}, Too Small; each segment must be at least 1 MiB`);
      segments.push({ path, etag: part.etag, sizeBytes: part.sizeBytes });
    }
    const total = segments.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0);
    const etag = `"${md5(segments.map((one) => one.etag).join(''))}"`;
    return this.#stored(headers, segments, etag, total);
  }

  #stored(
    headers: Call['headers'],
    content: StoredObject['content'],
    etag: string,
    sizeBytes: number,
  ): StoredObject {
    const metadata = metadataOf('object', headers);
    const contentType = headers['content-type'] ?? 'application/octet-stream';
    return { content, etag, sizeBytes, contentType, metadata, modified: this.#now() };
  }

  #remove(account: string, path: string): void {
    const [, container = '', ...rest] = path.split('/');
    this.#store.containers(account).get(container)?.delete(rest.join('/'));
  }
}

/** What of a request's headers is noted. Swift takes values of 256 bytes. */
function metadataOf(
  kind: 'container' | 'object',
  headers: Call['headers'],
): Record<string, string> {
  const noted: Record<string, string> = {};
  for (const [name, value] of Object.entries(headers)) {
    if (!name.startsWith(`x-${kind}-meta-`) || typeof value !== 'string') continue;
    if (value.length > 256) throw htmlRefusal(400, 'Metadata value longer than 256.');
    noted[name] = value;
  }
  return noted;
}

/** A page of a container, as JSON. */
function listing(objects: ReadonlyMap<string, StoredObject>, query: URLSearchParams): object[] {
  const prefix = query.get('prefix') ?? '';
  const delimiter = query.get('delimiter');
  const marker = query.get('marker') ?? '';
  const limit = Math.min(Number(query.get('limit') ?? pageSize), pageSize);
  const rows = new Map<string, object>();
  for (const name of [...objects.keys()].toSorted()) {
    if (!name.startsWith(prefix)) continue;
    const end = delimiter === null ? -1 : name.indexOf(delimiter, prefix.length);
    const key = end < 0 ? name : name.slice(0, end + 1);
    if (key <= marker) continue;
    const found = objects.get(name);
    const row = {
      name,
      hash: found?.etag.replaceAll('"', ''),
      bytes: Buffer.isBuffer(found?.content) ? found.sizeBytes : 0,
      content_type: found?.contentType,
      last_modified: new Date(found?.modified ?? 0).toISOString().replace('Z', '000'),
    };
    rows.set(key, end < 0 ? row : { subdir: key });
  }
  return [...rows.values()].slice(0, limit);
}
