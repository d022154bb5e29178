import { once } from 'node:events';
import { connect, createServer, type Server } from 'node:net';

import { describe, expect, it, onTestFinished } from 'vitest';

import { openLoopbackAddress } from './loopback.ts';

/** A server that answers each line in capitals when the other side has ended. */
async function startEcho(): Promise<number> {
  const server = createServer({ allowHalfOpen: true }, (socket) => {
    let text = '';
    socket.on('data', (chunk) => (text += chunk.toString()));
    socket.on('end', () => socket.end(text.toUpperCase()));
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  onTestFinished(() => void server.close());
  return portOf(server);
}

function portOf(server: Server): number {
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('no port');
  return address.port;
}

async function ask(host: string, port: number, text: string): Promise<string> {
  const socket = connect({ host, port, allowHalfOpen: true });
  let answer = '';
  socket.on('data', (chunk) => (answer += chunk.toString()));
  socket.end(text);
  await once(socket, 'close');
  return answer;
}

describe.skipIf(process.platform !== 'linux')('a loopback address (Linux only)', () => {
  it('leads to what really listens, until it is given back', async () => {
    const port = await startEcho();
    const targets = new Map([[40_022, { host: '127.0.0.1', port }]]);
    const [one, two] = [await openLoopbackAddress(targets), await openLoopbackAddress(targets)];
    onTestFinished(() => two.close());
    expect(one.ip).toMatch(/^127\.18\.\d+\.\d+$/);
    expect(two.ip).not.toBe(one.ip);
    expect(await ask(one.ip, 40_022, 'hello')).toBe('HELLO');
    await one.close();
    await expect(ask(one.ip, 40_022, 'hello')).rejects.toThrow(/ECONNREFUSED/);
    expect(await ask(two.ip, 40_022, 'hello')).toBe('HELLO');
  });

  it('ends its connections when it is given back', async () => {
    const port = await startEcho();
    const address = await openLoopbackAddress(new Map([[40_022, { host: '127.0.0.1', port }]]));
    const socket = connect({ host: address.ip, port: 40_022 });
    await once(socket, 'connect');
    const closing = once(socket, 'close');
    await address.close();
    await closing;
    expect(socket.destroyed).toBe(true);
  });

  it('ends a connection that one side has left, and on which the other is silent', async () => {
    const silent = createServer({ allowHalfOpen: true }).listen(0, '127.0.0.1');
    await once(silent, 'listening');
    onTestFinished(() => void silent.close());
    const target = { host: '127.0.0.1', port: portOf(silent) };
    const address = await openLoopbackAddress(new Map([[40_022, target]]), 20);
    onTestFinished(() => address.close());
    const left = once(silent, 'connection');
    await expect(ask(address.ip, 40_022, 'hello')).resolves.toBe('');
    const [socket] = await left;
    expect(socket.readable).toBe(true);
  });

  it('is refused when its port is taken everywhere', async () => {
    const server = createServer().listen(0, '0.0.0.0');
    await once(server, 'listening');
    onTestFinished(() => void server.close());
    const port = portOf(server);
    const opening = openLoopbackAddress(new Map([[port, { host: '127.0.0.1', port }]]));
    await expect(opening).rejects.toMatchObject({
      code: 'FAILED_PRECONDITION',
      hint: expect.stringContaining('ListenAddress'),
    });
  });
});
