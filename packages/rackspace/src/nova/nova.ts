import { ImgkitError, type CallOptions } from '@imgkit/core';
import { z } from 'zod';

import type { ServiceClient, ServiceRequest } from '../http/service-client.ts';
import { readJson } from '../http/transport.ts';
import type { Version } from '../http/version-document.ts';
import {
  novaFlavor,
  novaKeyPair,
  novaLimits,
  novaPage,
  novaServer,
  type NewServer,
  type NovaFlavor,
  type NovaKeyPair,
  type NovaServer,
} from './nova-server.ts';

/** The server tells its flavor as it was when it was launched. */
const tellsFlavor: Version = [2, 47];
/** Networks may be named by a word, and have to be said. */
const namesNetworks: Version = [2, 37];
/** A server tells its groups. */
const tellsGroups: Version = [2, 71];
/** Making an image tells its id. */
const tellsImage: Version = [2, 45];

/** An action that has no settings. */
export type PlainAction =
  | 'os-start'
  | 'os-stop'
  | 'resume'
  | 'pause'
  | 'unpause'
  | 'unshelve'
  | 'confirmResize';

/** What a server is rebuilt with. */
export interface Rebuild {
  readonly imageRef: string;
  readonly name?: string | undefined;
  /** The image's, or the cloud's, where it isn't said, whatever the server had. */
  readonly 'OS-DCF:diskConfig'?: 'AUTO' | 'MANUAL' | undefined;
  /** Takes the place of all that it had. */
  readonly metadata?: Readonly<Record<string, string>> | undefined;
}

/** The calls of Nova that are used. https://docs.openstack.org/api-ref/compute/ */
export class Nova {
  readonly #service: ServiceClient;

  constructor(service: ServiceClient) {
    this.#service = service;
  }

  async get(id: string, options?: CallOptions): Promise<NovaServer> {
    const schema = z.object({ server: novaServer });
    const headers = await this.#asOf(tellsFlavor, options);
    const request = { method: 'GET', path: serverPath(id), headers, ...options } as const;
    return (await this.#service.json(request, schema)).server;
  }

  /** A server with all that the user may see of it. */
  async details(id: string, options?: CallOptions): Promise<NovaServer> {
    if (!(await this.#service.understands(tellsGroups, options))) return this.get(id, options);
    const schema = z.object({ server: novaServer });
    const headers = microversion(tellsGroups);
    const request = { method: 'GET', path: serverPath(id), headers, ...options } as const;
    return (await this.#service.json(request, schema)).server;
  }

  /** The networks a server is connected to, in their order; nothing where the cloud doesn't tell. */
  async networksOf(id: string, options?: CallOptions): Promise<readonly string[] | undefined> {
    const schema = z.object({
      interfaceAttachments: z.array(z.looseObject({ net_id: z.string() })),
    });
    const path = `${serverPath(id)}/os-interface`;
    try {
      const answer = await this.#service.json({ method: 'GET', path, ...options }, schema);
      return answer.interfaceAttachments.map((one) => one.net_id);
    } catch (error) {
      if (ImgkitError.is(error, 'NOT_FOUND')) return undefined;
      throw error;
    }
  }

  /** Whether there is a server group. */
  async hasServerGroup(id: string, options?: CallOptions): Promise<boolean> {
    const path = `/os-server-groups/${encodeURIComponent(id)}`;
    try {
      await this.#service.done({ method: 'GET', path, ...options });
      return true;
    } catch (error) {
      if (ImgkitError.is(error, 'NOT_FOUND')) return false;
      throw error;
    }
  }

  /** Lists servers of the project, page by page. */
  async *list(
    filter: Readonly<Record<string, string>>,
    options?: CallOptions,
  ): AsyncGenerator<NovaServer, void, undefined> {
    const query = new URLSearchParams(filter);
    const headers = await this.#asOf(tellsFlavor, options);
    for (;;) {
      const page = await this.#service.json(
        { method: 'GET', path: '/servers/detail', query, headers, ...options },
        novaPage,
      );
      yield* page.servers;
      const last = page.servers.at(-1);
      const hasMore = page.servers_links?.some(({ rel }) => rel === 'next') === true;
      if (!hasMore || last === undefined) return;
      query.set('marker', last.id);
    }
  }

  /**
   * Starts the making of a server; gives its id. The cloud makes up a password for it, which nobody is told.
   * Made once: what was lost has to be looked for.
   */
  async create({ networks, hints, ...rest }: NewServer, options?: CallOptions): Promise<string> {
    const mustName = await this.#service.understands(namesNetworks, options);
    // Before 2.37 no word is understood; no network was asked for by an empty list, and any by saying nothing.
    const connected = mustName
      ? (networks ?? 'auto')
      : networks === 'none'
        ? []
        : networks === 'auto'
          ? undefined
          : networks;
    const answer = await this.#service.json(
      {
        method: 'POST',
        path: '/servers',
        json: { server: { ...rest, networks: connected }, 'os:scheduler_hints': hints },
        headers: mustName ? microversion(namesNetworks) : {},
        ...options,
      },
      z.object({ server: z.looseObject({ id: z.string() }) }),
    );
    return answer.server.id;
  }

  /** Has a server deleted. */
  async delete(id: string, options?: CallOptions): Promise<void> {
    await this.#service.done({ method: 'DELETE', path: serverPath(id), ...options });
  }

  /** Asks a server to do something that is done later. */
  async act(id: string, action: PlainAction, options?: CallOptions): Promise<void> {
    await this.#action(id, { [action]: null }, options);
  }

  /** Has a server's disk made anew from an image; it keeps its id and its addresses. */
  async rebuild(id: string, rebuild: Rebuild, options?: CallOptions): Promise<void> {
    await this.#action(id, { rebuild }, options);
  }

  /** Starts the making of an image of a server; gives the image's id. */
  async createImage(
    id: string,
    image: { readonly name: string; readonly metadata: Readonly<Record<string, string>> },
    options?: CallOptions,
  ): Promise<string> {
    const tellsId = await this.#service.understands(tellsImage, options);
    const response = await this.#service.send({
      ...actionOf(id, { createImage: image }),
      headers: tellsId ? microversion(tellsImage) : {},
      ...options,
    });
    const said = z.object({ image_id: z.string() });
    const body = tellsId ? said.safeParse(readJson(response, 'createImage')) : undefined;
    if (body?.success === true) return body.data.image_id;
    // Before 2.45 only in an address that leads nowhere.
    const found = /\/images\/([^/?]+)\/?$/.exec(response.headers.get('location') ?? '')?.[1];
    if (found !== undefined) return found;
    throw new ImgkitError('PROTOCOL', 'the cloud makes an image and doesn’t say which', {
      resource: id,
    });
  }

  /** What a server wrote on its console, as far as the cloud keeps it. */
  async console(id: string, options?: CallOptions): Promise<string> {
    const answer = await this.#service.json(
      { ...actionOf(id, { 'os-getConsoleOutput': {} }), safe: true, ...options },
      z.object({ output: z.string().nullish() }),
    );
    return answer.output ?? '';
  }

  /** Sets entries of a server's metadata; the others stay. */
  async setMetadata(
    id: string,
    metadata: Readonly<Record<string, string>>,
    options?: CallOptions,
  ): Promise<void> {
    const path = `${serverPath(id)}/metadata`;
    await this.#service.done({ method: 'POST', path, json: { metadata }, safe: true, ...options });
  }

  /** Takes an entry of a server's metadata away. */
  async removeMetadata(id: string, key: string, options?: CallOptions): Promise<void> {
    const path = `${serverPath(id)}/metadata/${encodeURIComponent(key)}`;
    await this.#service.done({ method: 'DELETE', path, ...options });
  }

  async flavor(id: string, options?: CallOptions): Promise<NovaFlavor> {
    const path = `/flavors/${encodeURIComponent(id)}`;
    const schema = z.object({ flavor: novaFlavor });
    return (await this.#service.json({ method: 'GET', path, ...options }, schema)).flavor;
  }

  /** The flavors that the project may use. */
  async flavors(options?: CallOptions): Promise<readonly NovaFlavor[]> {
    const page = z.object({ flavors: z.array(novaFlavor), flavors_links: z.unknown().optional() });
    const query = new URLSearchParams();
    const found: NovaFlavor[] = [];
    for (;;) {
      const answer = await this.#service.json(
        { method: 'GET', path: '/flavors/detail', query, ...options },
        page,
      );
      found.push(...answer.flavors);
      const last = answer.flavors.at(-1);
      if (answer.flavors_links === undefined || last === undefined) return found;
      query.set('marker', last.id);
    }
  }

  /** Takes a public key under a name. */
  async importKeyPair(name: string, publicKey: string, options?: CallOptions): Promise<void> {
    const json = { keypair: { name, public_key: publicKey } };
    await this.#service.done({ method: 'POST', path: '/os-keypairs', json, ...options });
  }

  /** The names of the user's key pairs. */
  async keyPairs(options?: CallOptions): Promise<readonly string[]> {
    const answer = await this.#service.json(
      { method: 'GET', path: '/os-keypairs', ...options },
      z.object({ keypairs: z.array(z.object({ keypair: novaKeyPair })) }),
    );
    return answer.keypairs.map(({ keypair }) => keypair.name);
  }

  async keyPair(name: string, options?: CallOptions): Promise<NovaKeyPair> {
    const path = `/os-keypairs/${encodeURIComponent(name)}`;
    const schema = z.object({ keypair: novaKeyPair });
    return (await this.#service.json({ method: 'GET', path, ...options }, schema)).keypair;
  }

  async deleteKeyPair(name: string, options?: CallOptions): Promise<void> {
    const path = `/os-keypairs/${encodeURIComponent(name)}`;
    await this.#service.done({ method: 'DELETE', path, ...options });
  }

  /** What is used, and what is allowed. */
  async limits(options?: CallOptions): Promise<Readonly<Record<string, number>>> {
    const answer = await this.#service.json(
      { method: 'GET', path: '/limits', ...options },
      novaLimits,
    );
    return answer.limits.absolute;
  }

  async #action(id: string, action: unknown, options?: CallOptions): Promise<void> {
    await this.#service.done({ ...actionOf(id, action), ...options });
  }

  /** The header that asks for a microversion, where the cloud understands it. */
  async #asOf(version: Version, options?: CallOptions): Promise<Record<string, string>> {
    return (await this.#service.understands(version, options)) ? microversion(version) : {};
  }
}

function serverPath(id: string): string {
  return `/servers/${encodeURIComponent(id)}`;
}

function actionOf(id: string, json: unknown): ServiceRequest {
  return { method: 'POST', path: `${serverPath(id)}/action`, json };
}

function microversion(version: Version): Record<string, string> {
  return { 'openstack-api-version': `compute ${version.join('.')}` };
}
