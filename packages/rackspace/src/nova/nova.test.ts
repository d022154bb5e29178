import { describe, expect, it } from 'vitest';

import {
  fakeTransport,
  quickRetrier,
  settings,
  textOf,
  tokenAnswer,
  type Answer,
} from '../../test/fake-cloud.ts';
import { connect } from '../client.ts';

const modern = { versions: [{ id: 'v2.1', version: '2.93', min_version: '2.1' }] };
const old = { versions: [{ id: 'v2.1', version: '2.44', min_version: '2.1' }] };

function nova(versions: unknown, answer: Answer) {
  const { send, requests } = fakeTransport(({ url }) => {
    if (url.endsWith('/auth/tokens')) return tokenAnswer('t1');
    return url.endsWith('/') ? { json: versions } : answer;
  });
  const client = connect(settings, quickRetrier(), send);
  return { nova: client.nova, last: () => requests.at(-1) };
}

const image = { name: 'web-7', metadata: { a: '1' } };

describe('an image of a server', () => {
  it('is named by the answer, where the cloud knows microversion 2.45', async () => {
    const { nova: made, last } = nova(modern, { status: 202, json: { image_id: 'i1' } });
    expect(await made.createImage('s1', image)).toBe('i1');
    expect(last()).toMatchObject({
      url: 'https://nova.test/v2.1/servers/s1/action',
      headers: { 'openstack-api-version': 'compute 2.45' },
    });
    expect(JSON.parse(textOf(last()))).toEqual({ createImage: image });
  });

  it('is named by an address that leads nowhere, where it doesn’t', async () => {
    const headers = { location: 'http://glance.test/images/i2' };
    const { nova: made, last } = nova(old, { status: 202, headers });
    expect(await made.createImage('s1', image)).toBe('i2');
    expect(last()?.headers).not.toHaveProperty('openstack-api-version');
  });

  it('is an error when the cloud doesn’t say which it is', async () => {
    const { nova: made } = nova(old, { status: 202 });
    await expect(made.createImage('s1', image)).rejects.toMatchObject({ code: 'PROTOCOL' });
  });
});
