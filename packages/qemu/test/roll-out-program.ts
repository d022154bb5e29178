// A program that is killed by the test in the middle of a rollout: see fleets.vm.test.ts.
import { createImgkit } from '@imgkit/core';
import { readFileSync } from 'node:fs';

import { qemu } from '../src/plugin.ts';

const { directory, state, request } = JSON.parse(readFileSync(0, 'utf8'));
const kit = await createImgkit({ stateDirectory: state, providers: [qemu({ directory })] });
const rollOut = kit.providers.get('qemu').fleets?.rollOut(request);
if (rollOut !== undefined) {
  for await (const _ of rollOut) process.stdout.write('one machine\n');
}
