import type { PipelinePolicy } from './sdk.ts';
import { isWireObject, type WireObject } from './wire.ts';

/** The addresses of operations: `…/locations/eastus/capsOperations/{id}?…`. */
const address = /\/(?:capsOperations|DiskOperations|operations|operationStatuses)\/[^/]+(?:\?|$)/i;

const endings: ReadonlySet<unknown> = new Set(['Succeeded', 'Failed', 'Canceled']);

/** What the last look at each operation that ended has shown: the SDK itself forgets what failed, and what came of it. */
export class OperationBodies {
  readonly #ended = new Map<string, WireObject>();

  /** Sees what the SDK gets. */
  readonly policy: PipelinePolicy = {
    name: 'imgkitOperationBodies',
    sendRequest: async (request, next) => {
      const response = await next(request);
      if (address.test(request.url)) this.#note(request.url, response.bodyAsText);
      return response;
    },
  };

  /** What an operation that has ended said, once. */
  take(url: string): WireObject | undefined {
    const found = this.#ended.get(url);
    this.#ended.delete(url);
    return found;
  }

  #note(url: string, body: string | null | undefined): void {
    const status = parse(body);
    if (status !== undefined && endings.has(status['status'])) this.#ended.set(url, status);
  }
}

function parse(body: string | null | undefined): WireObject | undefined {
  try {
    const parsed: unknown = JSON.parse(body ?? '');
    return isWireObject(parsed) ? parsed : undefined;
  } catch {
    return undefined; // an operation that says nothing, or a page of some proxy
  }
}
