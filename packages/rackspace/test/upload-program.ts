// Makes an image of a file and tells when the upload is under way: run, and killed, by the outage test.
import { createImgkit } from '@imgkit/core';

import { rackspace } from '../src/plugin.ts';

const [stateDirectory = '', options = '', name = '', file = ''] = process.argv.slice(2);

await using kit = await createImgkit({
  stateDirectory,
  providers: [rackspace(JSON.parse(options))],
});
const operation = kit.providers.get('images').images.create({
  name,
  source: { kind: 'file', file },
  labels: { 'imgkit-run': name },
  idempotencyKey: name,
});
for await (const { fraction = 0 } of operation) {
  if (fraction > 0.1 && fraction < 0.5) console.log('under way');
}
console.log((await operation).ref.id);
