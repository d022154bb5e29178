import {
  ImgkitError,
  type CallOptions,
  type Labels,
  type OwnedCollection,
  type OwnedItem,
} from '@imgkit/core';

import type { CloudContext } from '../resources/context.ts';
import { hasLabels } from '../resources/rules.ts';
import { removeAddress } from './floating-address.ts';
import { removeKeyPair } from './key-pair.ts';
import { labelsOfName } from './ownership.ts';

const keyPairPrefix = 'key-pair:';
const addressPrefix = 'floating-ip:';

/** What launches made beside servers: key pairs and floating addresses, found by what their names say. */
export class Accessories implements OwnedCollection {
  readonly #context: CloudContext;

  constructor(context: CloudContext) {
    this.#context = context;
  }

  async *list(
    { labels }: { readonly labels: Labels },
    options?: CallOptions,
  ): AsyncGenerator<OwnedItem, void, undefined> {
    const all = this.#context.listing('owned.list', undefined, options, () => this.#all(options));
    for await (const item of all) if (hasLabels(item.labels, labels)) yield item;
  }

  delete(id: string, options?: CallOptions): PromiseLike<void> {
    const context = this.#context;
    return context.call('owned.delete', id, options, async () => {
      if (id.startsWith(keyPairPrefix))
        await removeKeyPair(context, id.slice(keyPairPrefix.length), options);
      else if (id.startsWith(addressPrefix))
        await removeAddress(context, id.slice(addressPrefix.length), options);
    });
  }

  async *#all(options?: CallOptions): AsyncGenerator<OwnedItem, void, undefined> {
    const { nova, neutron } = this.#context;
    // A cloud without a service has nothing of it.
    const isThere = (type: string) => this.#context.offers(type, options);
    for (const name of (await isThere('compute')) ? await nova.keyPairs(options) : []) {
      const labels = labelsOfName(name);
      const item = labels && (await this.#keyPair(name, labels, options));
      if (item !== undefined) yield item;
    }
    const addresses = (await isThere('network')) ? await neutron.floatingIps({}, options) : [];
    for (const { id, floating_ip_address: name, description, created_at: at } of addresses) {
      const labels = labelsOfName(description ?? '');
      if (labels !== undefined)
        yield { id: `${addressPrefix}${id}`, name, createdAt: at ?? longAgo, labels };
    }
  }

  /** Lists don't tell when a key pair was made. */
  async #keyPair(
    name: string,
    labels: Labels,
    options?: CallOptions,
  ): Promise<OwnedItem | undefined> {
    try {
      const { created_at: at } = await this.#context.nova.keyPair(name, options);
      return { id: `${keyPairPrefix}${name}`, name, createdAt: toInstant(at), labels };
    } catch (error) {
      if (ImgkitError.is(error, 'NOT_FOUND')) return undefined;
      throw error;
    }
  }
}

/** For clouds that don't tell when something was made. */
const longAgo = new Date(0).toISOString();

/** Nova writes the times of key pairs without the zone, which is UTC. */
function toInstant(time: string | undefined): string {
  if (time === undefined) return longAgo;
  return /Z|[+-]\d\d:?\d\d$/.test(time) ? time : `${time}Z`;
}
