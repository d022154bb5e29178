import { createImgkit } from '@imgkit/core';

import { azure } from '../src/index.ts';
import { source, subscription } from './emulated-azure.ts';

// Makes one image, as a process that is killed on the way: its answers come slowly enough for that.
const [, , endpoint, name, idempotencyKey, stateDirectory] = process.argv;
if (!endpoint || !name || !idempotencyKey || !stateDirectory)
  throw new Error('needs four arguments');
const kit = await createImgkit({
  stateDirectory,
  providers: [
    azure({
      subscription,
      resourceGroup: 'Images',
      gallery: 'golden',
      location: 'eastus',
      endpoint,
    }),
  ],
});
const { images } = kit.providers.get('azure');
const request = { name, family: 'web', version: '1', staged: true, source, idempotencyKey };
console.log((await images.create(request)).ref.id);
await kit[Symbol.asyncDispose]();
