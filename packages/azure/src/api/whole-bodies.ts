import { AsyncLocalStorage } from 'node:async_hooks';

import type { PipelinePolicy } from './sdk.ts';
import { isWireObject, type WireObject } from './wire.ts';

/** What of a request and its answer the SDK doesn't know. */
interface Exchange {
  /** What is sent instead of what the SDK makes of it. */
  readonly send?: string | undefined;
  received?: string | null | undefined;
}

/**
 * Bodies as Azure writes and reads them. The SDK drops whatever it doesn't know, in both directions: a list that is read,
 * changed and sent back through it would lose what newer versions of Azure have in it.
 */
export class WholeBodies {
  readonly #exchanges = new AsyncLocalStorage<Exchange>();

  /** Stands before the network. */
  readonly policy: PipelinePolicy = {
    name: 'imgkitWholeBodies',
    sendRequest: async (request, next) => {
      const exchange = this.#exchanges.getStore();
      if (exchange?.send !== undefined) request.body = exchange.send;
      const response = await next(request);
      if (exchange !== undefined) exchange.received = response.bodyAsText;
      return response;
    },
  };

  /** Makes a call that sends exactly `body`. */
  send<T>(body: WireObject, call: () => Promise<T>): Promise<T> {
    return this.#exchanges.run({ send: JSON.stringify(body) }, call);
  }

  /** Makes a call, and gives the whole of what it answered. */
  async receive(call: () => Promise<unknown>): Promise<WireObject> {
    const exchange: Exchange = {};
    await this.#exchanges.run(exchange, call);
    const body: unknown = JSON.parse(exchange.received ?? '{}');
    return isWireObject(body) ? body : {};
  }
}
