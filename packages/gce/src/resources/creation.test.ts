import { silentLogger, startOperation, type Clock } from '@imgkit/core';
import { expect, it } from 'vitest';

import type { WireObject } from '../api/wire.ts';
import type { CloudOperation, GceClient } from '../client.ts';
import { GceContext } from '../context.ts';
import { makeOnce } from './creation.ts';
import { operationError } from '../errors.ts';

const id = 'projects/acme/global/images/web';
const minute = 60_000;
let now = Date.parse('2026-11-21T10:00:00Z');
const clock: Clock = { now: () => now, sleep: () => Promise.resolve() };

const operation = (native: WireObject): CloudOperation => ({
  project: 'acme',
  scope: 'global',
  name: 'operation-1',
  done: true,
  progress: 100,
  target: id,
  warnings: [],
  native,
});

/** A cloud whose every creation has failed by the time it is answered; it knows each request for an hour. */
function failing() {
  const known = new Map<number, WireObject>();
  const asked: number[] = [];
  const client: GceClient = {
    start({ generation = 0 }) {
      asked.push(generation);
      now += 1;
      const native = known.get(generation) ?? {
        name: `operation-${generation}`,
        insertTime: new Date(now).toISOString(),
        error: { errors: [{ code: 'BAD_DISK', message: `the disk is bad (${generation})` }] },
      };
      known.set(generation, native);
      return Promise.resolve(operation(native));
    },
    wait() {
      const error = operationError(known.get(asked.at(-1) ?? 0) ?? {});
      return error === undefined ? Promise.resolve(operation({})) : Promise.reject(error);
    },
    read: () => Promise.reject(new Error('nothing stands')),
    write: () => Promise.reject(new Error('nothing is written')),
    async *pages() {
      yield await Promise.resolve({ items: [], warnings: [] });
    },
    close: () => Promise.resolve(),
  };
  const context = new GceContext({
    provider: 'gce',
    project: 'acme',
    client,
    logger: silentLogger,
    clock,
    zone: () => Promise.resolve('us-central1-a'),
    region: () => Promise.resolve('us-central1'),
  });
  const make = async (): Promise<unknown> => {
    const mutation = { service: 'images', method: 'insert', request: {}, target: id } as const;
    const find = () => client.read({ ...mutation, method: 'get' });
    const creation = { call: 'images.create', what: 'making', mutation, id, key: 'key', find };
    const made = startOperation((control) => makeOnce(context, creation, control));
    return made.then(undefined, (error: unknown) => error);
  };
  return { make, asked };
}

it('what Google fails to make at once is tried once, and says why', async () => {
  const { make, asked } = failing();
  expect(await make()).toMatchObject({
    code: 'OPERATION_FAILED',
    message: 'the disk is bad (0)',
    providerCode: 'BAD_DISK',
  });
  expect(asked).toEqual([0]);
});

it('failures of earlier calls with the key are passed over, to one new try', async () => {
  const { make, asked } = failing();
  await make();
  now += minute;
  expect(await make()).toMatchObject({ message: 'the disk is bad (1)' });
  expect(asked.splice(0)).toEqual([0, 0, 1]);
  now += minute;
  expect(await make()).toMatchObject({ message: 'the disk is bad (2)' });
  expect(asked).toEqual([0, 1, 2]);
});

it('where everything with the key has failed before, the last reason is given', async () => {
  const { make, asked } = failing();
  for (let call = 0; call < 20; call += 1) await make();
  asked.splice(0);
  expect(await make()).toMatchObject({
    code: 'OPERATION_FAILED',
    message: 'the disk is bad (19)',
    resource: id,
    data: { operation: 'operation-19' },
  });
  expect(asked).toHaveLength(20);
});
