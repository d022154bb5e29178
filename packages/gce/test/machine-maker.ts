import { createImgkit } from '@imgkit/core';
import { argv } from 'node:process';

import { gce } from '../src/plugin.ts';

// Launches a machine, for a test that kills this process while it waits for the answer.
const [, , endpoint = '', project = '', zone = '', stateDirectory = ''] = argv;
const kit = await createImgkit({ stateDirectory, providers: [gce({ endpoint, project, zone })] });
await kit.providers.get('gce').instances?.launch({
  name: 'survivor',
  boot: {
    kind: 'image',
    image: { provider: 'gce', id: `projects/${project}/global/images/base-1` },
  },
  startupScript: 'true',
  idempotencyKey: 'the run that was killed',
});
