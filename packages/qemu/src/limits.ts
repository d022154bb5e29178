import { statfs } from 'node:fs/promises';

import type { CallOptions, DocumentedLimit, Limits, Quota } from '@imgkit/core';

import type { LocalContext } from './resources/context.ts';
import { maxLabels } from './resources/rules.ts';

/** What the store allows: a few fixed numbers, and the space on its disk. */
export class QemuLimits implements Limits {
  readonly documented: readonly DocumentedLimit[] = [
    { name: 'characters in a name', value: 63, source: 'imgkit' },
    { name: 'labels per resource', value: maxLabels, source: 'imgkit' },
    { name: 'bytes of a disk', value: 64 * 2 ** 40, source: 'imgkit' },
  ];
  readonly #context: LocalContext;

  constructor(context: LocalContext) {
    this.#context = context;
  }

  async quotas(options?: CallOptions): Promise<readonly Quota[]> {
    return this.#context.call('limits.quotas', undefined, options, async (store) => {
      const { blocks, bavail, bfree, bsize } = await statfs(store.layout.root);
      // What the file system keeps back for root is neither used nor ours.
      const used = (blocks - bfree) * bsize;
      return [{ name: 'space of the store', limit: used + bavail * bsize, used, unit: 'bytes' }];
    });
  }
}
