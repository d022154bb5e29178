import { ImgkitError, type CallOptions } from '@imgkit/core';
import { z } from 'zod';

import { statusOf } from '../errors.ts';
import type { PieceStream } from '../http/answer-stream.ts';
import type { BodyStream } from '../http/body-stream.ts';
import type { ServiceClient } from '../http/service-client.ts';
import {
  glanceImage,
  glanceMember,
  glancePage,
  type GlanceImage,
  type GlanceMember,
} from './glance-image.ts';

/** One change of an image's properties; names are whole properties, not pointers. */
export type PropertyChange =
  | { readonly set: string; readonly value: string | boolean | number | readonly string[] }
  | { readonly remove: string };

/** How the cloud gets an image's data by itself. */
export interface ImportOrder {
  /** From an address, from where it was staged, or from another store. */
  readonly method: 'web-download' | 'glance-direct' | 'copy-image';
  readonly uri?: string | undefined;
  /** The stores that shall have it; the cloud's choice otherwise. */
  readonly stores?: readonly string[] | undefined;
}

/** Which of an image's members' answers. */
export type MemberStatus = 'pending' | 'accepted' | 'rejected';

/** The calls of Glance that are used. https://docs.openstack.org/api-ref/image/v2/ */
export class Glance {
  /** Whether data comes in, and goes out, by tasks only. */
  readonly usesTasks: boolean;
  readonly #service: ServiceClient;

  constructor(service: ServiceClient, { usesTasks = false } = {}) {
    this.#service = service;
    this.usesTasks = usesTasks;
  }

  /**
   * Whether images can be shared with a project or a community by their visibility, be put out of use, and be sorted
   * by several keys. A cloud that doesn't tell its versions is believed to, unless it is one of those with tasks.
   */
  async isModern(options?: CallOptions): Promise<boolean> {
    return (await this.#service.speaks([2, 5], options)) ?? !this.usesTasks;
  }

  /** Whether images can be hidden, and carry hashes other than MD5. Clouds that don't tell are believed not to. */
  async canHide(options?: CallOptions): Promise<boolean> {
    return (await this.#service.speaks([2, 7], options)) === true;
  }

  get(id: string, options?: CallOptions): Promise<GlanceImage> {
    return this.#service.json({ method: 'GET', path: pathOf(id), ...options }, glanceImage);
  }

  /** One page; `next` is the marker of the page behind it. */
  async page(
    query: URLSearchParams,
    options?: CallOptions,
  ): Promise<{ readonly images: readonly GlanceImage[]; readonly hasMore: boolean }> {
    const page = await this.#service.json(
      { method: 'GET', path: '/images', query, ...options },
      glancePage,
    );
    return { images: page.images, hasMore: page.next !== undefined };
  }

  /** Makes an image without data. With an id in it, making it twice is a conflict. */
  create(body: Readonly<Record<string, unknown>>, options?: CallOptions): Promise<GlanceImage> {
    return this.#service.json(
      { method: 'POST', path: '/images', json: body, ...options },
      glanceImage,
    );
  }

  /** Sends an image's data: to a store, or to where an import takes it from. */
  async upload(
    id: string,
    stream: BodyStream,
    {
      staged = false,
      store,
      ...options
    }: CallOptions & {
      readonly staged?: boolean | undefined;
      readonly store?: string | undefined;
    } = {},
  ): Promise<void> {
    const headers = {
      'content-type': 'application/octet-stream',
      ...(store !== undefined && { 'x-image-meta-store': store }),
    };
    const path = `${pathOf(id)}/${staged ? 'stage' : 'file'}`;
    await this.#service.done({ method: 'PUT', path, headers, stream, ...options });
  }

  /** An image's data as it comes, from a byte on. */
  async download(
    id: string,
    { from = 0, signal }: CallOptions & { readonly from?: number | undefined } = {},
  ): Promise<PieceStream> {
    const headers = {
      accept: 'application/octet-stream',
      ...(from > 0 && { range: `bytes=${from}-` }),
    };
    const { status, stream } = await this.#service.send({
      method: 'GET',
      path: `${pathOf(id)}/file`,
      headers,
      streamed: true,
      signal,
    });
    if (stream === undefined)
      throw new ImgkitError('FAILED_PRECONDITION', `image "${id}" has no data`, { resource: id });
    // Who knows no ranges sends all of it.
    return from > 0 && status !== 206 ? behind(stream, from) : stream;
  }

  /** Has the cloud import an image's data. */
  async import(
    id: string,
    { method: name, uri, stores }: ImportOrder,
    options?: CallOptions,
  ): Promise<void> {
    const json = {
      method: { name, ...(uri !== undefined && { uri }) },
      ...(stores !== undefined && { stores }),
    };
    const path = `${pathOf(id)}/import`;
    await this.#service.done({ method: 'POST', path, json, ...options });
  }

  /** The ways in which the cloud takes data; none where it knows no imports. */
  async importMethods(options?: CallOptions): Promise<readonly string[]> {
    const schema = z.object({ 'import-methods': z.object({ value: z.array(z.string()) }) });
    try {
      const answer = await this.#service.json(
        { method: 'GET', path: '/info/import', ...options },
        schema,
      );
      return answer['import-methods'].value;
    } catch (error) {
      if (statusOf(error) === 404) return [];
      throw error;
    }
  }

  /** Why the last import failed, in the cloud's words. */
  async importFailure(id: string, options?: CallOptions): Promise<string | undefined> {
    const schema = z.object({
      tasks: z.array(z.object({ status: z.string(), message: z.string().nullish() })),
    });
    try {
      const { tasks } = await this.#service.json(
        { method: 'GET', path: `${pathOf(id)}/tasks`, ...options },
        schema,
      );
      return tasks.find(({ status }) => status === 'failure')?.message ?? undefined;
    } catch (error) {
      if (statusOf(error) === 404) return undefined;
      throw error;
    }
  }

  /**
   * Changes properties: setting what is there already replaces it.
   *
   * @throws {@link ImgkitError} with `FAILED_PRECONDITION` if what shall be removed isn't there.
   */
  change(
    id: string,
    changes: readonly PropertyChange[],
    options?: CallOptions,
  ): Promise<GlanceImage> {
    const json = changes.map((change) =>
      'set' in change
        ? { op: 'add', path: pointer(change.set), value: change.value }
        : { op: 'remove', path: pointer(change.remove) },
    );
    const headers = { 'content-type': 'application/openstack-images-v2.1-json-patch' };
    // Repeated, a removal that was done finds nothing: the caller reads again what there is.
    return this.#service.json(
      { method: 'PATCH', path: pathOf(id), json, headers, safe: true, ...options },
      glanceImage,
    );
  }

  /** Puts an image out of use, and back. */
  async setActive(id: string, active: boolean, options?: CallOptions): Promise<void> {
    const path = `${pathOf(id)}/actions/${active ? 'reactivate' : 'deactivate'}`;
    await this.#service.done({ method: 'POST', path, safe: true, ...options });
  }

  async delete(id: string, options?: CallOptions): Promise<void> {
    await this.#service.done({ method: 'DELETE', path: pathOf(id), ...options });
  }

  /** What the project uses, and is allowed: nothing where the cloud limits nothing, or doesn't tell. */
  async usage(
    options?: CallOptions,
  ): Promise<Readonly<Record<string, { readonly usage: number; readonly limit: number }>>> {
    const one = z.object({ usage: z.number(), limit: z.number() });
    const schema = z.object({ usage: z.record(z.string(), one) });
    try {
      return (await this.#service.json({ method: 'GET', path: '/info/usage', ...options }, schema))
        .usage;
    } catch (error) {
      if (statusOf(error) === 404) return {};
      throw error;
    }
  }

  async members(id: string, options?: CallOptions): Promise<readonly GlanceMember[]> {
    const schema = z.object({ members: z.array(glanceMember) });
    const path = `${pathOf(id)}/members`;
    return (await this.#service.json({ method: 'GET', path, ...options }, schema)).members;
  }

  async addMember(id: string, member: string, options?: CallOptions): Promise<void> {
    const path = `${pathOf(id)}/members`;
    await this.#service.done({ method: 'POST', path, json: { member }, safe: true, ...options });
  }

  async removeMember(id: string, member: string, options?: CallOptions): Promise<void> {
    const path = `${pathOf(id)}/members/${encodeURIComponent(member)}`;
    await this.#service.done({ method: 'DELETE', path, ...options });
  }

  async answer(
    id: string,
    member: string,
    status: MemberStatus,
    options?: CallOptions,
  ): Promise<void> {
    const path = `${pathOf(id)}/members/${encodeURIComponent(member)}`;
    await this.#service.done({ method: 'PUT', path, json: { status }, safe: true, ...options });
  }
}

function pathOf(id: string): string {
  return `/images/${encodeURIComponent(id)}`;
}

/** What comes behind the first bytes. */
async function* behind(
  stream: PieceStream,
  bytes: number,
): AsyncGenerator<readonly Uint8Array[], void, undefined> {
  let passed = 0;
  for await (const pieces of stream) {
    const rest = pieces.map((piece) => {
      const left = piece.subarray(Math.max(0, bytes - passed));
      passed += piece.length;
      return left;
    });
    if (passed > bytes) yield rest;
  }
}

/** https://www.rfc-editor.org/rfc/rfc6901 */
function pointer(property: string): string {
  return `/${property.replaceAll('~', '~0').replaceAll('/', '~1')}`;
}
