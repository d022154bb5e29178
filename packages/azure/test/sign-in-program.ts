import { inspect } from 'node:util';

import { consoleLogger, createImgkit, defineWorkflow, ImgkitError } from '@imgkit/core';

import { azure, type AzureOptions } from '../src/index.ts';
import { source } from './emulated-azure.ts';

// Makes an image in a run, with the credentials of its environment, and tells all that anybody can hear of it.
const [, , stateDirectory, text = ''] = process.argv;
const options: AzureOptions = JSON.parse(text);
await using kit = await createImgkit({
  stateDirectory,
  logger: consoleLogger({ level: 'debug' }),
  retry: { maxAttempts: 1 },
  providers: [azure(options)],
});
const { images } = kit.providers.get('azure');
const making = defineWorkflow({
  name: 'making',
  protocol: 1,
  run: (context, name: string) =>
    context.step('make', async ({ token }) => {
      const creating = images.create({ name, source, idempotencyKey: token });
      for await (const progress of creating) console.error(inspect(progress));
      return (await creating).ref.id;
    }),
});
try {
  const run = await kit.runs.start(making, 'web-1', { id: 'sign-in' });
  console.log(JSON.stringify({ id: await run.result() }));
} catch (error) {
  console.error(inspect(error, { depth: Infinity, showHidden: true }));
  if (!ImgkitError.is(error)) throw error;
  const { code, hint, message } = error;
  console.log(JSON.stringify({ code, hint, message }));
}
for await (const event of kit.runs.events('sign-in')) console.error(inspect(event, { depth: 9 }));
