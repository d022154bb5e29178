import {
  ImgkitError,
  type CallOptions,
  type Labels,
  type OwnedCollection,
  type OwnedItem,
} from '@imgkit/core';

import { letGo, pauseOf } from '../machine-images/stillness.ts';
import type { CloudContext } from '../resources/context.ts';
import { hasLabels } from '../resources/rules.ts';
import { removeAddress } from './floating-address.ts';
import { removeKeyPair } from './key-pair.ts';
import { labelsOfName } from './ownership.ts';
import { findServer } from './server-state.ts';

const keyPairPrefix = 'key-pair:';
const addressPrefix = 'floating-ip:';
const pausePrefix = 'pause:';

/**
 * What was made beside servers, or done to them: key pairs and floating addresses of launches, found by what their
 * names say, and pauses for machine images of which there is no more than that.
 */
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
      else if (id.startsWith(pausePrefix))
        await endPause(context, id.slice(pausePrefix.length), options);
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
    for await (const server of (await isThere('compute')) ? nova.list(paused, options) : []) {
      const { id, name, created, updated = created } = server;
      const pause = pauseOf(server);
      if (pause !== undefined)
        yield { id: `${pausePrefix}${id}`, name, createdAt: updated, labels: pause.labels };
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

const paused = { status: 'PAUSED' };

async function endPause(context: CloudContext, id: string, options?: CallOptions): Promise<void> {
  const server = await findServer(context, id, options);
  const pause = server && pauseOf(server);
  if (pause !== undefined) await letGo(context, id, pause.key, options);
}

/** For clouds that don't tell when something was made. */
const longAgo = new Date(0).toISOString();

/** Nova writes the times of key pairs without the zone, which is UTC. */
function toInstant(time: string | undefined): string {
  if (time === undefined) return longAgo;
  return /Z|[+-]\d\d:?\d\d$/.test(time) ? time : `${time}Z`;
}
