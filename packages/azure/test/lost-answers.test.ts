import type { Image, Instance, Provider } from '@imgkit/core';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';

import { source, startAzure, type EmulatedAzure } from './emulated-azure.ts';

// Each change of a machine is carried out, and its answer gets lost: it is asked for again, and there is one of each.

let cloud: EmulatedAzure;
let azure: Provider;
let image: Image;
let commands: number;

beforeEach(async () => {
  commands = 0;
  cloud = await startAzure({
    guest({ script }) {
      commands += 1;
      // What the script lets the guest print when it is done.
      const console = /imgkit-deprovision: \w+ done/.exec(script)?.[0];
      return { stdout: 'imgkit-deprovision: begun\n', console, powersOff: true };
    },
  });
  azure = await cloud.provider();
  image = await azure.images.create({ name: 'web-1', family: 'web', source });
});
afterEach(() => cloud[Symbol.asyncDispose]());

/** Loses the answer to the next change of a kind: the connection breaks once it is carried out. */
const lose = (method: string) =>
  cloud.emulator.faults.add({
    rpc: `VirtualMachines.${method}`,
    kind: 'drop',
    when: 'after',
  });

function instances() {
  if (azure.instances) return azure.instances;
  throw new Error('no instances');
}

const launch = (idempotencyKey = 'one'): PromiseLike<Instance> =>
  instances().launch({ name: 'vm-1', boot: { kind: 'image', image: image.ref }, idempotencyKey });

const parts = () => cloud.emulator.ids().filter((id) => id.includes('vm-1'));

describe('when the answer gets lost', () => {
  it('of a launch, there is one machine with one disk, one interface and one address', async () => {
    const lost = lose('CreateOrUpdate');
    const made = await launch();
    expect(lost.struck).toBe(1);
    expect(made.status).toBe('RUNNING');
    expect(parts()).toHaveLength(4);
    // Also for another process with the same key, and for nobody else.
    expect((await launch()).id).toBe(made.id);
    await expect(launch('another')).rejects.toMatchObject({ code: 'ALREADY_EXISTS' });
    expect(parts()).toHaveLength(4);
  });

  it('of nobody, one who looked too early changes nothing of another’s machine', async () => {
    const { id } = await launch();
    const tags = cloud.emulator.resource(id)?.['tags'];
    // What a process saw that looked a moment before the other one began.
    cloud.emulator.faults.add({
      rpc: 'VirtualMachines.Get',
      kind: 'status',
      status: 404,
      reason: 'ResourceNotFound',
    });
    await expect(launch('another')).rejects.toMatchObject({ code: 'ALREADY_EXISTS' });
    expect(cloud.emulator.resource(id)?.['tags']).toEqual(tags);
  });

  it('of a deletion, all of it is gone', async () => {
    const { id } = await launch();
    const lost = lose('Delete');
    await instances().delete(id);
    expect(lost.struck).toBe(1);
    expect(parts()).toEqual([]);
  });

  it.each(['Deallocate', 'Start'])('of %s, it is done', async (method) => {
    const { id } = await launch();
    const lost = lose(method);
    expect((await instances().stop(id)).status).toBe('STOPPED');
    expect((await instances().start(id)).status).toBe('RUNNING');
    expect(lost.struck).toBe(1);
  });

  it.each(['RunCommand', 'Deallocate', 'Generalize'])(
    'of %s while a machine is generalized, there is one image of it',
    async (method) => {
      const { id } = await launch();
      const lost = lose(method);
      const made = await azure.images.create({
        name: 'captured',
        source: { kind: 'instance', instance: id },
        providerOptions: { generalize: true },
        idempotencyKey: 'capture',
      });
      expect(lost.struck).toBe(1);
      expect(made.origin).toEqual({ kind: 'instance', id });
      expect(commands).toBe(1);
      const versions = cloud.emulator.ids().filter((one) => /captured\/versions\//.test(one));
      expect(versions).toHaveLength(1);
    },
  );
});
