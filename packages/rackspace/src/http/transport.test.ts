import { createServer, type RequestListener } from 'node:http';

import { describe, expect, it, onTestFinished } from 'vitest';

import { sendOverFetch } from './transport.ts';

/** The address of a server of this test. */
async function serve(listener: RequestListener): Promise<string> {
  const server = createServer(listener);
  const { promise, resolve } = Promise.withResolvers<void>();
  server.listen(0, '127.0.0.1', resolve);
  await promise;
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
  });
  const address = server.address();
  return `http://127.0.0.1:${typeof address === 'object' ? address?.port : ''}`;
}

describe('a request', () => {
  it('sends a stream as it comes, and asks for JSON', async () => {
    const url = await serve((request, response) => {
      let text = '';
      request.on('data', (chunk) => (text += String(chunk)));
      request.on('end', () => response.end(`${request.headers.accept} ${text}`));
    });
    const body = new Blob(['disk']).stream();
    const response = await sendOverFetch({ method: 'PUT', url, body });
    expect(await response.text()).toBe('application/json disk');
  });

  it('doesn’t carry a token to where it is sent on', async () => {
    let asked = 0;
    const other = await serve((_, response) => {
      asked += 1;
      response.end();
    });
    const url = await serve((_, response) => {
      response.writeHead(302, { location: other }).end();
    });
    const headers = { 'x-auth-token': 'hidden' };
    await expect(sendOverFetch({ method: 'GET', url, headers })).rejects.toMatchObject({
      code: 'PROTOCOL',
    });
    expect(asked).toBe(0);
  });

  it('is refused without its query, which may be long', async () => {
    const url = await serve((_, response) => {
      response.writeHead(404).end('{"message":"nothing"}');
    });
    const call = sendOverFetch({ method: 'GET', url: `${url}/images?marker=1` });
    await expect(call).rejects.toMatchObject({
      code: 'NOT_FOUND',
      message: `GET ${url}/images: nothing`,
    });
  });

  it('ends with TIMEOUT, with CANCELLED, or with UNAVAILABLE', async () => {
    const url = await serve(() => undefined);
    const late = sendOverFetch({ method: 'GET', url, timeoutMs: 20 });
    await expect(late).rejects.toMatchObject({ code: 'TIMEOUT' });
    const stop = new AbortController();
    const cut = sendOverFetch({ method: 'GET', url, signal: stop.signal });
    stop.abort();
    await expect(cut).rejects.toMatchObject({ code: 'CANCELLED' });
    const broken = await serve((request) => request.socket.destroy());
    const call = sendOverFetch({ method: 'GET', url: broken });
    await expect(call).rejects.toMatchObject({ code: 'UNAVAILABLE' });
  });
});
