import { systemClock } from '@imgkit/core';
import { describe, expect, it } from 'vitest';

import { fakeTransport, quickRetrier, settings, tokenAnswer } from '../../test/fake-cloud.ts';
import { connect } from '../client.ts';
import { describeServer } from '../machine-images/configuration.ts';
import { CloudContext } from '../resources/context.ts';
import { toInstance } from './instance-view.ts';

const created = '2026-11-28T09:00:00';

/** A server with two volumes, of which Nova names the one with the data first. */
function cloud(more: { readonly root?: string; readonly image?: string } = {}) {
  const volume = (id: string, device: string, bootable: boolean) => ({
    id,
    size: 1,
    status: 'in-use',
    created_at: created,
    bootable: String(bootable),
    attachments: [
      { server_id: 'another', device: '/dev/vda' },
      { server_id: 's1', device },
    ],
  });
  const volumes = [volume('data', '/dev/vdb', false), volume('system', '/dev/vda', true)];
  const server = {
    id: 's1',
    name: 'web',
    status: 'ACTIVE',
    created: `${created}Z`,
    flavor: { original_name: 'small', disk: 2, vcpus: 1, ram: 64 },
    image: more.image === undefined ? '' : { id: more.image },
    'OS-EXT-SRV-ATTR:root_device_name': more.root,
    'os-extended-volumes:volumes_attached': volumes.map(({ id }) => ({ id })),
  };
  const { send } = fakeTransport(({ url }) => {
    const { pathname: path } = new URL(url);
    if (path.endsWith('/auth/tokens')) return tokenAnswer('t1');
    if (path === '/v2.1/servers/s1') return { json: { server } };
    const id = /\/volumes\/(.*)$/.exec(path)?.[1];
    const found = volumes.find((one) => one.id === id);
    return found === undefined ? { status: 404 } : { json: { volume: found } };
  });
  const endpoint = 'https://cinder.test/v3/p';
  const client = connect({ ...settings, volume: { endpoint } }, quickRetrier(), send);
  const clock = systemClock();
  const context = new CloudContext({ provider: 'lab', project: 'p', client, clock });
  return {
    shown: async () => {
      const { disks } = await toInstance(context, server);
      return disks.map(({ id, boot }) => (boot ? `${id}, booted from` : id));
    },
    kept: async () => {
      const { configuration } = await describeServer(context, 's1', {});
      return configuration.disks.map(({ volume: id, boot }) => (boot ? `${id}, booted from` : id));
    },
  };
}

describe('the volume that a server boots from', () => {
  it.for(['shown', 'kept'] as const)(
    'is %s first, in whatever order Nova names them',
    async (as) => {
      expect(await cloud()[as]()).toEqual(['system, booted from', 'data']);
    },
  );

  it.for(['shown', 'kept'] as const)('is %s as Nova says it, where it does', async (as) => {
    expect(await cloud({ root: '/dev/vdb' })[as]()).toEqual(['data, booted from', 'system']);
  });

  it('is none of those of a server with a disk of its own', async () => {
    const { shown } = cloud({ image: 'i1' });
    expect(await shown()).toEqual(['s1/root, booted from', 'system', 'data']);
  });
});
