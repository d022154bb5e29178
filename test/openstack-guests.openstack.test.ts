import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { missing, OpenStackWorld } from './support/openstack-world.ts';

describe.skipIf(missing !== undefined)(`a real guest under Nova ${missing ?? ''}`, () => {
  let world: OpenStackWorld;

  beforeAll(async () => {
    world = await OpenStackWorld.open('images');
  });

  afterAll(async () => world[Symbol.asyncDispose]());

  it('boots with its keys, its script and its data, at an address of its own', async () => {
    const { instances } = world;
    const machine = await instances.launch(
      world.request({
        startupScript: '#!/bin/sh\necho started as $(hostname) > /root/started\n',
        metadata: { role: 'web' },
      }),
    );
    expect(await world.run(machine, 'cat /root/started')).toMatch(/^started as w-/);
    expect(await instances.console(machine.id)).toContain('imgkit-ready');
  });
});
