import { randomBytes } from 'node:crypto';
import { createServer, type RequestListener, type Server } from 'node:http';
import { createServer as createSecureServer } from 'node:https';

import { describe, expect, it, onTestFinished, vi } from 'vitest';

import { selfSigned } from '../../../core/test/self-signed.ts';
import { createTransport } from './transport.ts';

const send = createTransport();

/** The address of a server of this test. */
async function serve(listener: RequestListener): Promise<string> {
  return listen(createServer(listener));
}

async function listen(server: Server): Promise<string> {
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

async function* many(): AsyncGenerator<Uint8Array> {
  for (let piece = 0; piece < 2_000; piece += 1) yield Buffer.alloc(65_536);
}

async function* failing(): AsyncGenerator<Uint8Array> {
  yield Buffer.alloc(10);
  throw new Error('the disk is gone');
}

describe('a request', () => {
  it('sends a stream as it comes, and asks for JSON', async () => {
    const url = await serve((request, response) => {
      let text = '';
      request.on('data', (chunk) => (text += String(chunk)));
      request.on('end', () => response.end(`${request.headers.accept} ${text}`));
    });
    const body = {
      sizeBytes: undefined,
      isRepeatable: false,
      open: () => new Blob(['disk']).stream(),
    };
    const { text } = await send({ method: 'PUT', url, body });
    expect(text).toBe('application/json disk');
  });

  it('gives an answer as it comes, whole or with an error', async () => {
    const disk = randomBytes(3_000_000);
    const url = await serve(({ url: path }, response) => {
      response.writeHead(200, { 'content-length': disk.length });
      if (path === '/whole') response.end(disk);
      else response.write(disk.subarray(0, 2_000_000), () => response.destroy());
    });
    const get = async (path: string) => {
      const { stream, text } = await send({ method: 'GET', url: `${url}${path}`, streamed: true });
      expect(text).toBe('');
      const pieces: Buffer[] = [];
      // They are only good until the next are asked for.
      for await (const some of stream ?? []) pieces.push(Buffer.concat(some));
      return Buffer.concat(pieces);
    };
    expect((await get('/whole')).equals(disk)).toBe(true);
    await expect(get('/half')).rejects.toMatchObject({ code: 'UNAVAILABLE' });
  });

  it('says why it was refused, also when nobody read the stream that it sends', async () => {
    const url = await serve((_, response) => {
      response.writeHead(403, { connection: 'close' }).end('{"message":"not you"}');
    });
    const body = { sizeBytes: 2_000 * 65_536, isRepeatable: false, open: many };
    await expect(send({ method: 'PUT', url, body })).rejects.toMatchObject({
      code: 'PERMISSION_DENIED',
    });
  });

  it('is broken off when its stream fails, or has another length than was said', async () => {
    const got: boolean[] = [];
    const url = await serve((request, response) => {
      request.resume().on('close', () => void got.push(request.complete));
      request.on('end', () => response.end());
    });
    const put = (sizeBytes: number | undefined, open: () => AsyncIterable<Uint8Array>) =>
      send({ method: 'PUT', url, body: { sizeBytes, isRepeatable: false, open } });
    await expect(put(undefined, failing)).rejects.toMatchObject({
      message: expect.stringContaining('the disk is gone'),
    });
    await expect(put(5, () => new Blob(['disk']).stream())).rejects.toBeDefined();
    await vi.waitFor(() => expect(got).toEqual([false, false]));
  });

  it('trusts the authorities that it is told of, and nobody else without being told', async ({
    skip,
  }) => {
    const made = selfSigned();
    skip(made === undefined, 'openssl is not there to make a certificate');
    const server = createSecureServer(made ?? {}, (_, response) => response.end('trusted'));
    const url = (await listen(server)).replace('http:', 'https:');
    const request = { method: 'GET', url } as const;
    await expect(send(request)).rejects.toMatchObject({
      code: 'FAILED_PRECONDITION',
      hint: expect.stringContaining('OS_CACERT'),
    });
    expect((await createTransport({ authorities: made?.cert })(request)).text).toBe('trusted');
    expect((await createTransport({ blind: true })(request)).text).toBe('trusted');
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
    await expect(send({ method: 'GET', url, headers })).rejects.toMatchObject({
      code: 'PROTOCOL',
    });
    expect(asked).toBe(0);
  });

  it('is refused without its query, which may be long', async () => {
    const url = await serve((_, response) => {
      response.writeHead(404).end('{"message":"nothing"}');
    });
    const call = send({ method: 'GET', url: `${url}/images?marker=1` });
    await expect(call).rejects.toMatchObject({
      code: 'NOT_FOUND',
      message: `GET ${url}/images: nothing`,
    });
  });

  it('ends with TIMEOUT, with CANCELLED, or with UNAVAILABLE', async () => {
    const url = await serve(() => undefined);
    const late = send({ method: 'GET', url, timeoutMs: 20 });
    await expect(late).rejects.toMatchObject({ code: 'TIMEOUT' });
    const stop = new AbortController();
    const cut = send({ method: 'GET', url, signal: stop.signal });
    stop.abort();
    await expect(cut).rejects.toMatchObject({ code: 'CANCELLED' });
    const broken = await serve((request) => request.socket.destroy());
    const call = send({ method: 'GET', url: broken });
    await expect(call).rejects.toMatchObject({ code: 'UNAVAILABLE' });
  });
});
