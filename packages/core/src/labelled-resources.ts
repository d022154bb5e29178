import type { ResourceRemover } from './engine/index.ts';
import type { Providers } from './plugin/providers.ts';
import { ownershipLabels } from './spec/labels.ts';

/** Finds and removes what runs have made, by its labels, at the providers of a kit. */
export function labelledResources(providers: Providers): ResourceRemover {
  return {
    async remove({ provider, kind, id }, options) {
      await providers.get(provider).owned.delete(kind, id, options);
    },

    async find({ provider, kind, labels }, options) {
      const { run, owner, step, expires } = ownershipLabels;
      const wanted = Object.fromEntries(
        [run, owner, step, expires].map((key) => [key, labels[key]]),
      );
      for await (const found of providers.get(provider).owned.list(wanted, options)) {
        if (found.kind === kind) return found.id;
      }
      return undefined;
    },

    async *listOwned({ provider, labels }, options) {
      for (const one of provider === undefined ? providers : [providers.get(provider)]) {
        for await (const resource of one.owned.list(labels, options)) {
          yield { provider: one.name, ...resource };
        }
      }
    },
  };
}
