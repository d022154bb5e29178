import { randomBytes } from 'node:crypto';
import { join } from 'node:path';

import { describe, expect, it, onTestFinished } from 'vitest';

import { startProxy } from './faulty-proxy.ts';
import {
  ask,
  diskFile,
  endpointOf,
  kitOf,
  missing,
  openstack,
  providerOf,
  scratch,
} from './openstack.ts';

/** An image of a provider whose Glance can refuse. */
async function world() {
  const glance = await startProxy(await endpointOf('image'));
  const kit = await kitOf(providerOf('images', { imageEndpoint: glance.url }));
  const provider = kit.providers.get('images');
  const { deprecation } = provider;
  if (deprecation === undefined) throw new Error('no deprecation');
  const name = `t-${randomBytes(4).toString('hex')}`;
  const file = await diskFile(join(await scratch(), 'disk.raw'));
  const { ref } = await provider.images.create({ name, source: { kind: 'file', file } });
  onTestFinished(async () => provider.images.delete(ref.id));
  return { glance, provider, deprecation, name, ref };
}

/** Launches a server beside the adapter; tells what Nova says. */
async function boot(image: string): Promise<string> {
  const server = { name: 'never', imageRef: image, flavorRef: 'tiny', networks: 'none' };
  const headers = {
    'content-type': 'application/json',
    'openstack-api-version': 'compute 2.45',
  };
  const body = JSON.stringify({ server });
  const response = await ask('images', 'compute', '/servers', { method: 'POST', headers, body });
  return `${response.status} ${await response.text()}`;
}

describe.skipIf(missing !== undefined)('an image that is OBSOLETE', () => {
  it('is booted by nobody, whoever asks Nova', async ({ skip }) => {
    skip(openstack().environment['WITH_COMPUTE'] === '0', 'this OpenStack has no Nova');
    const { deprecation, ref } = await world();
    await deprecation.set(ref.id, { state: 'OBSOLETE' });
    expect(deprecation.traits.enforcesObsolete).toBe(true);
    expect(await boot(ref.id)).toMatch(/^400 .*is not active/);
  });

  it('is refused by imgkit alone where the cloud’s policy keeps that to administrators', async () => {
    const { glance, provider, deprecation, name, ref } = await world();
    glance.fail({ method: 'POST', path: /\/deactivate$/, trouble: { status: 403 } });
    const replacement = { provider: 'images', id: 'web-8' };
    const image = await deprecation.set(ref.id, { state: 'OBSOLETE', replacement });
    expect(image.deprecation).toMatchObject({ state: 'OBSOLETE', replacement });
    expect(image.native).toMatchObject({ status: 'active', os_hidden: true });
    expect(deprecation.traits.enforcesObsolete).toBe(false);
    const copy = provider.images.create({
      name: `${name}-copy`,
      source: { kind: 'image', image: ref },
    });
    await expect(copy.then(String)).rejects.toMatchObject({
      code: 'IMAGE_OBSOLETE',
      replacement: 'images:web-8',
    });
    await deprecation.set(ref.id, { state: 'ACTIVE' });
    expect((await provider.images.get(ref.id)).deprecation).toEqual({ state: 'ACTIVE' });
  });
});
