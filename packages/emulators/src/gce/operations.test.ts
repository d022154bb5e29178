import { expect, it } from 'vitest';

import { createVirtualClock } from '../control-plane/clock.ts';
import { createObjectStore } from '../storage/object-store.ts';
import { OperationFailure } from './errors.ts';
import { startOperation } from './operations.ts';
import { defaultRates } from './rates.ts';
import { createProject, type World } from './state.ts';

it('an operation ends, whatever goes wrong in taking it back', async () => {
  const clock = createVirtualClock('2026-11-21T12:00:00Z');
  const project = createProject('acme', '123456789012', defaultRates);
  const world: World = {
    clock,
    projects: new Map([[project.id, project]]),
    regions: {},
    directory: { groups: new Map(), roles: new Map(), projects: new Map() },
    operationMs: () => 10,
    nextId: () => '1000000000000000001',
    objects: createObjectStore(),
    hardware: undefined,
  };
  const start = { world, project, caller: undefined, rpc: 'Images.Insert', effects: [] };
  const { resource, done } = startOperation(start, {
    type: 'insert',
    location: 'global',
    target: { link: 'projects/acme/global/images/web', resource: {} },
    finish: () => {
      throw new OperationFailure('QUOTA_EXCEEDED', 'There are too many.', 403);
    },
    failed: () => Promise.reject(new Error('the disk is full')),
  });
  await clock.advance(10);
  await done;
  expect(resource).toMatchObject({
    status: 'DONE',
    progress: 100,
    httpErrorStatusCode: 403,
    error: {
      errors: [
        { code: 'QUOTA_EXCEEDED', message: 'There are too many.' },
        { code: 'INTERNAL_ERROR', message: 'Internal error: Error: the disk is full' },
      ],
    },
  });
});
