// A program that launches a machine and is killed by the test: see machines.vm.test.ts.
import { createImgkit } from '@imgkit/core';
import { readFileSync } from 'node:fs';

import { qemu } from '../src/plugin.ts';

const { directory, state, request } = JSON.parse(readFileSync(0, 'utf8'));
const kit = await createImgkit({ stateDirectory: state, providers: [qemu({ directory })] });
const launch = kit.providers.get('qemu').instances?.launch(request);
process.stdout.write('begun\n');
await launch;
process.stdout.write('launched\n');
setInterval(() => {}, 1000);
