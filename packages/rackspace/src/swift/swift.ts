import { createHash } from 'node:crypto';

import { ImgkitError, type CallOptions } from '@imgkit/core';
import { z } from 'zod';

import { statusOf } from '../errors.ts';
import type { ServiceClient } from '../http/service-client.ts';
import type { HttpResponse } from '../http/transport.ts';

/** An object, or what objects below a name have in common. */
export interface SwiftEntry {
  readonly name: string;
  /** The MD5 of its bytes, in hexadecimal. */
  readonly hash: string;
  readonly sizeBytes: number;
  /** When it was written, as an ISO 8601 instant. */
  readonly modifiedAt: string;
}

/** A part of a large object. */
export interface SwiftSegment {
  readonly name: string;
  readonly hash: string;
  readonly sizeBytes: number;
}

const page = z.array(
  z.union([
    z.object({ subdir: z.string() }),
    z.object({ name: z.string(), hash: z.string(), bytes: z.number(), last_modified: z.string() }),
  ]),
);
const containerPage = z.array(z.object({ name: z.string() }));

/** How many entries are asked for at a time. */
const pageSize = 1000;
/** How long an object of some MiB may take, in milliseconds. */
const objectMs = 600_000;

/**
 * The calls of Swift, which Rackspace calls Cloud Files, that are used.
 * https://docs.openstack.org/api-ref/object-store/
 */
export class Swift {
  readonly #service: ServiceClient;

  constructor(service: ServiceClient) {
    this.#service = service;
  }

  /** Makes a container, if it isn't there. */
  async makeContainer(
    container: string,
    { metadata = {}, ...options }: CallOptions & { readonly metadata?: Metadata | undefined } = {},
  ): Promise<void> {
    const headers = metadataHeaders('container', metadata);
    const path = pathOf(container);
    await this.#service.done({ method: 'PUT', path, headers, safe: true, ...options });
  }

  /** What is noted of a container; nothing when there is none. */
  async containerNote<K extends string>(
    container: string,
    keys: readonly K[],
    options?: CallOptions,
  ): Promise<Partial<Record<K, string>>> {
    const response = await ifThere(() =>
      this.#service.send({ method: 'HEAD', path: pathOf(container), ...options }),
    );
    const note: Partial<Record<K, string>> = {};
    for (const key of keys) {
      const value = response?.headers.get(`x-container-meta-${key}`) ?? undefined;
      if (value !== undefined) note[key] = value;
    }
    return note;
  }

  /** The names of containers that begin with a text. */
  async containers(prefix: string, options?: CallOptions): Promise<readonly string[]> {
    const query = new URLSearchParams({ format: 'json', prefix });
    const request = { method: 'GET', path: '/', query, ...options } as const;
    const found = await this.#service.json(request, containerPage);
    return found.flatMap(({ name }) => (name.startsWith(prefix) ? [name] : []));
  }

  /** Deletes an empty container; one that is gone is a success. */
  async removeContainer(container: string, options?: CallOptions): Promise<void> {
    await ifThere(() =>
      this.#service.done({ method: 'DELETE', path: pathOf(container), ...options }),
    );
  }

  /**
   * Writes an object; gives the MD5 of its bytes.
   *
   * @param options - `onlyNew`: whether to leave alone what stands there.
   * @throws `ALREADY_EXISTS` for what stands there, `OPERATION_FAILED` if it was damaged on the way.
   */
  async put(
    container: string,
    object: string,
    bytes: Uint8Array<ArrayBuffer>,
    { onlyNew = false, ...options }: CallOptions & { readonly onlyNew?: boolean | undefined } = {},
  ): Promise<string> {
    const hash = createHash('md5').update(bytes).digest('hex');
    const headers = {
      'content-type': 'application/octet-stream',
      etag: hash,
      ...(onlyNew && { 'if-none-match': '*' }),
    };
    const path = pathOf(container, object);
    try {
      const request = { method: 'PUT', path, headers, bytes, timeoutMs: objectMs } as const;
      await this.#service.done({ ...request, safe: !onlyNew, ...options });
      return hash;
    } catch (error) {
      if (statusOf(error) === 412)
        throw new ImgkitError('ALREADY_EXISTS', `there is an object ${container}/${object}`, {
          resource: object,
          cause: error,
        });
      if (statusOf(error) !== 422) throw error;
      throw new ImgkitError('OPERATION_FAILED', `${container}/${object} was damaged on the way`, {
        resource: object,
        hint: 'Try again.',
        cause: error,
      });
    }
  }

  /** Makes a large object of segments, which the cloud compares with what is said of them. */
  async putLarge(
    container: string,
    object: string,
    segments: readonly SwiftSegment[],
    options?: CallOptions,
  ): Promise<void> {
    const manifest = segments.map(({ name, hash, sizeBytes }) => ({
      path: `/${container}/${name}`,
      etag: hash,
      size_bytes: sizeBytes,
    }));
    const query = new URLSearchParams({ 'multipart-manifest': 'put' });
    const path = pathOf(container, object);
    const request = { method: 'PUT', path, query, json: manifest, safe: true } as const;
    await this.#service.done({ ...request, ...options });
  }

  /** Reads an object, all at once or as it comes; `undefined` when there is none. */
  async get(
    container: string,
    object: string,
    options?: CallOptions & { readonly streamed?: boolean | undefined },
  ): Promise<HttpResponse | undefined> {
    const headers = { accept: '*/*' };
    const path = pathOf(container, object);
    return ifThere(() => this.#service.send({ method: 'GET', path, headers, ...options }));
  }

  /** Lists the objects whose names begin with a text; with a delimiter, only those above the next one. */
  async *list(
    container: string,
    { prefix, delimiter }: { readonly prefix: string; readonly delimiter?: string | undefined },
    options?: CallOptions,
  ): AsyncGenerator<SwiftEntry, void, undefined> {
    const query = new URLSearchParams({ format: 'json', limit: String(pageSize), prefix });
    if (delimiter !== undefined) query.set('delimiter', delimiter);
    for (;;) {
      const request = { method: 'GET', path: pathOf(container), query, ...options } as const;
      const rows = await ifThere(() => this.#service.json(request, page));
      for (const row of rows ?? [])
        yield 'subdir' in row
          ? { name: row.subdir, hash: '', sizeBytes: 0, modifiedAt: '' }
          : {
              name: row.name,
              hash: row.hash,
              sizeBytes: row.bytes,
              modifiedAt: `${row.last_modified}Z`,
            };
      const last = rows?.at(-1);
      if (last === undefined || (rows?.length ?? 0) < pageSize) return;
      query.set('marker', 'subdir' in last ? last.subdir : last.name);
    }
  }

  /** Deletes an object, a large one with its segments; one that is gone is a success. */
  async remove(
    container: string,
    object: string,
    { isLarge = false, ...options }: CallOptions & { readonly isLarge?: boolean | undefined } = {},
  ): Promise<void> {
    const query = isLarge ? new URLSearchParams({ 'multipart-manifest': 'delete' }) : undefined;
    const path = pathOf(container, object);
    await ifThere(() => this.#service.done({ method: 'DELETE', path, query, ...options }));
  }
}

type Metadata = Readonly<Record<string, string>>;

function metadataHeaders(kind: 'container', metadata: Metadata): Record<string, string> {
  return Object.fromEntries(
    Object.entries(metadata).map(([key, value]) => [`x-${kind}-meta-${key}`, value]),
  );
}

async function ifThere<T>(call: () => Promise<T>): Promise<T | undefined> {
  try {
    return await call();
  } catch (error) {
    if (statusOf(error) === 404) return undefined;
    throw error;
  }
}

function pathOf(container: string, object?: string): string {
  const parts = [container, ...(object?.split('/') ?? [])];
  return `/${parts.map(encodeURIComponent).join('/')}`;
}
