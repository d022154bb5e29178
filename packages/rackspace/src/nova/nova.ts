import { ImgkitError, type CallOptions } from '@imgkit/core';

import type { ServiceClient } from '../http/service-client.ts';
import type { Version } from '../http/version-document.ts';
import { novaLimits, novaPage, novaServer, type NovaServer } from './nova-server.ts';
import { z } from 'zod';

/** The calls of Nova that are used. https://docs.openstack.org/api-ref/compute/ */
export class Nova {
  readonly #service: ServiceClient;

  constructor(service: ServiceClient) {
    this.#service = service;
  }

  async get(id: string, options?: CallOptions): Promise<NovaServer> {
    const schema = z.object({ server: novaServer });
    const path = `/servers/${encodeURIComponent(id)}`;
    return (await this.#service.json({ method: 'GET', path, ...options }, schema)).server;
  }

  /** Lists servers of the project, page by page. */
  async *list(
    filter: Readonly<Record<string, string>>,
    options?: CallOptions,
  ): AsyncGenerator<NovaServer, void, undefined> {
    const query = new URLSearchParams(filter);
    for (;;) {
      const page = await this.#service.json(
        { method: 'GET', path: '/servers/detail', query, ...options },
        novaPage,
      );
      yield* page.servers;
      const last = page.servers.at(-1);
      const hasMore = page.servers_links?.some(({ rel }) => rel === 'next') === true;
      if (!hasMore || last === undefined) return;
      query.set('marker', last.id);
    }
  }

  /** Starts the making of an image of a server; gives the image's id. */
  async createImage(
    id: string,
    image: { readonly name: string; readonly metadata: Readonly<Record<string, string>> },
    options?: CallOptions,
  ): Promise<string> {
    const version: Version = [2, 45];
    const tellsId = await this.#service.understands(version, options);
    const response = await this.#service.send({
      method: 'POST',
      path: `/servers/${encodeURIComponent(id)}/action`,
      json: { createImage: image },
      headers: tellsId ? microversion(version) : {},
      ...options,
    });
    const said = z.object({ image_id: z.string() });
    const body = tellsId ? said.safeParse(JSON.parse(await response.text())) : undefined;
    if (body?.success === true) return body.data.image_id;
    await response.body?.cancel();
    // Before 2.45 only in an address that leads nowhere.
    const found = /\/images\/([^/?]+)\/?$/.exec(response.headers.get('location') ?? '')?.[1];
    if (found !== undefined) return found;
    throw new ImgkitError('PROTOCOL', 'the cloud makes an image and doesn’t say which', {
      resource: id,
    });
  }

  /** Asks a server to do something that is done later. */
  async act(id: string, action: 'os-start' | 'os-stop', options?: CallOptions): Promise<void> {
    const path = `/servers/${encodeURIComponent(id)}/action`;
    await this.#service.done({ method: 'POST', path, json: { [action]: null }, ...options });
  }

  /** What is used, and what is allowed. */
  async limits(options?: CallOptions): Promise<Readonly<Record<string, number>>> {
    const answer = await this.#service.json(
      { method: 'GET', path: '/limits', ...options },
      novaLimits,
    );
    return answer.limits.absolute;
  }
}

function microversion(version: Version): Record<string, string> {
  return { 'openstack-api-version': `compute ${version.join('.')}` };
}
