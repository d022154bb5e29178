import { createImgkit } from '@imgkit/core';
import { argv } from 'node:process';

import { gce } from '../src/plugin.ts';

// Makes an image, for a test that kills this process while it waits for the answer.
const [, , endpoint = '', project = '', stateDirectory = '', name = '', image = ''] = argv;
const kit = await createImgkit({
  stateDirectory,
  retry: { initialMs: 10 },
  providers: [gce({ endpoint, project })],
});
await kit.providers.get('gce').images.create({
  name,
  source: { kind: 'image', image: { provider: 'gce', id: image } },
  family: 'survivors',
  idempotencyKey: 'the run that was killed',
});
