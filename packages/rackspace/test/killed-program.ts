// Makes one call of a provider's, and goes on until it is killed on the way: run by the tests of what is durable.
import { createImgkit } from '@imgkit/core';

import { rackspace } from '../src/plugin.ts';

const [stateDirectory = '', options = '', call = '', request = ''] = process.argv.slice(2);

await using kit = await createImgkit({
  stateDirectory,
  providers: [rackspace(JSON.parse(options))],
});
const { images, machineImages, fleets, transfer } = kit.providers.get('images');
const wanted = JSON.parse(request);
if (call === 'images.create') await images.create(wanted);
else if (call === 'machineImages.create') await machineImages?.create(wanted);
else if (call === 'machineImages.delete') await machineImages?.delete(wanted.id);
else if (call === 'fleets.rollOut') await fleets?.rollOut(wanted);
else if (call === 'fleets.rollBack') await fleets?.rollBack(wanted.id);
else if (call === 'transfer.export') await transfer?.export(wanted);
else throw new Error(`unknown call ${call}`);
