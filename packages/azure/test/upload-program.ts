import { createImgkit } from '@imgkit/core';

import { azure } from '../src/index.ts';
import { subscription } from './emulated-azure.ts';

// Makes one image of a disk file, as a process that is killed in the middle of the upload.
const [, , endpoint, account, key, file, stateDirectory] = process.argv;
if (!endpoint || !account || !key || !file || !stateDirectory)
  throw new Error('needs five arguments');
const kit = await createImgkit({
  stateDirectory,
  providers: [
    azure({
      subscription,
      resourceGroup: 'Images',
      gallery: 'golden',
      location: 'eastus',
      endpoint,
      storage: { account, container: 'vhds', credentials: { kind: 'key', key } },
    }),
  ],
});
const { images } = kit.providers.get('azure');
const labels = { 'imgkit-run': 'killed' };
const source = { kind: 'file', file } as const;
await images.create({ name: 'killed-1', labels, source, idempotencyKey: 'killed' });
await kit[Symbol.asyncDispose]();
