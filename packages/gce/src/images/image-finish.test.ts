import { silentLogger, startOperation } from '@imgkit/core';
import { expect, it } from 'vitest';

import type { WireObject } from '../api/wire.ts';
import type { GceClient } from '../client.ts';
import { GceContext } from '../context.ts';
import { finishImage } from './image-finish.ts';

const id = 'projects/acme/global/images/web';
const never = (): Promise<never> => Promise.reject(new Error('nobody is asked'));

it('an image is not taken for READY before it says so', async () => {
  const answers: WireObject[] = [{}, { status: 'PENDING' }, { status: 'READY' }];
  const client: GceClient = {
    read: async () => answers.shift() ?? never(),
    start: never,
    wait: never,
    write: never,
    async *pages() {
      yield await never();
    },
    close: () => Promise.resolve(),
  };
  const context = new GceContext({
    provider: 'gce',
    project: 'acme',
    client,
    logger: silentLogger,
    clock: { now: () => 0, sleep: () => Promise.resolve() },
    zone: never,
    region: never,
  });
  const finished = await startOperation((control) => finishImage(context, id, {}, control));
  expect(finished).toEqual({ status: 'READY' });
  expect(answers).toEqual([]);
});
