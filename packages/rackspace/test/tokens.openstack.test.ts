import { randomBytes } from 'node:crypto';
import { setTimeout as pause } from 'node:timers/promises';

import { createImgkit } from '@imgkit/core';
import { describe, expect, it, onTestFinished } from 'vitest';

import { startOpenStack } from '../../../test/openstack/cloud.ts';
import { rackspace } from '../src/plugin.ts';
import { startProxy } from './faulty-proxy.ts';
import { kitOf, missing, openstack, providerOf, revoke, scratch } from './openstack.ts';

/** How long a token lives in the small cloud, in seconds. */
const tokenSeconds = 6;

async function* slowly(): AsyncGenerator<Uint8Array> {
  for (let piece = 0; piece < 14; piece += 1) {
    yield randomBytes(20_000);
    await pause(500);
  }
}

describe.skipIf(missing !== undefined)('a run whose token ends', () => {
  it('goes on with another one, in an upload that outlives it too', async () => {
    const cloud = await startOpenStack({ compute: false, tokenSeconds });
    onTestFinished(cloud.stop);
    const keystone = await startProxy(new URL(cloud.identity).origin);
    const options = { username: 'images', password: cloud.password, projectName: 'images' };
    await using kit = await createImgkit({
      stateDirectory: await scratch(),
      providers: [rackspace({ authUrl: keystone.url, ...options })],
    });
    const { images, transfer } = kit.providers.require('rackspace', 'transfer');
    const from = slowly();
    const { ref } = await transfer.import({ name: 'slow', from, family: 'slow' });
    expect(await images.get(ref.id)).toMatchObject({ status: 'READY', published: true });
    expect(keystone.tokens.length).toBeGreaterThan(1);
  });

  it('goes on with another one when it was revoked, and asks for no third', async () => {
    const keystone = await startProxy(new URL(openstack().identity).origin);
    const kit = await kitOf(providerOf('images', { authUrl: keystone.url }));
    const provider = kit.providers.get('images');
    const [token = ''] = keystone.tokens.splice(0);
    // Before it is used: the services remember for a while what they have seen.
    await revoke(token);
    await provider.check();
    expect(keystone.tokens).toHaveLength(1);
  });
});
