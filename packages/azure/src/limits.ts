import type { CallOptions, DocumentedLimit, Limits, Quota } from '@imgkit/core';

import type { AzureContext } from './context.ts';

const galleries = 'https://learn.microsoft.com/azure/virtual-machines/azure-compute-gallery#limits';
const tags =
  'https://learn.microsoft.com/azure/azure-resource-manager/management/tag-resources#limitations';
/** No document of Azure has them: its answers tell what is left. */
const answers = 'the header x-ms-ratelimit-remaining-resource of recorded answers';
const minute = 60_000;

/** What Azure allows of galleries. */
export class AzureLimits implements Limits {
  readonly documented: readonly DocumentedLimit[] = [
    { name: 'galleries per subscription and region', value: 100, source: galleries },
    { name: 'image definitions per subscription and region', value: 1_000, source: galleries },
    { name: 'image versions per subscription and region', value: 10_000, source: galleries },
    { name: 'replicas per image version', value: 100, source: galleries },
    { name: 'bytes of an image', value: 2 * 2 ** 40, source: galleries },
    { name: 'tags per resource', value: 50, source: tags },
    { name: 'characters in the value of a tag', value: 256, source: tags },
    {
      name: 'creations and changes of image versions',
      value: 375,
      perMs: 3 * minute,
      source: answers,
    },
    { name: 'deletions of image versions', value: 150, perMs: 3 * minute, source: answers },
    {
      name: 'creations and changes of image definitions',
      value: 150,
      perMs: 3 * minute,
      source: answers,
    },
  ];
  readonly #context: AzureContext;

  constructor(context: AzureContext) {
    this.#context = context;
  }

  /** Azure tells no quotas of galleries. */
  async quotas(options?: CallOptions): Promise<readonly Quota[]> {
    return this.#context.call('limits.quotas', undefined, options, async () => []);
  }
}
