import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import { computeClients, type ComputeClients } from '../../../test/compute-clients.ts';
import { startGceEmulator, type GceEmulator } from '../../gce-emulator.ts';

const project = 'imgkit-test';

describe("images, through Google's own client", () => {
  let emulator: GceEmulator;
  let clients: ComputeClients;

  beforeAll(async () => {
    emulator = await startGceEmulator();
    clients = computeClients(emulator.endpoint);
    emulator.project(project).addImage({ name: 'base-1', family: 'base' });
  });
  afterAll(async () => {
    await clients[Symbol.asyncDispose]();
    await emulator.close();
  });

  it('are inserted and read', async () => {
    const started = await clients.call('images', 'insert', {
      project,
      imageResource: { name: 'web-1', family: 'web', sourceImage: 'global/images/family/base' },
    });
    const done = await clients.settle(started);
    expect(done).toMatchObject({ status: 'DONE', operationType: 'insert' });
    expect(done['error'] ?? undefined).toBeUndefined();
    const [image] = await clients.call('images', 'get', { project, image: 'web-1' });
    expect(image).toMatchObject({ status: 'READY', diskSizeGb: '10', family: 'web' });
    expect(emulator.violations).toEqual([]);
  });
});
