import { createServer, type AddressInfo, type Server, type Socket } from 'node:net';
import { describe, expect, it, onTestFinished } from 'vitest';
import { reachSsh } from './ssh-banner.ts';

async function listen(onConnection: (socket: Socket) => void): Promise<Server & { port: number }> {
  const server = createServer(onConnection);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  onTestFinished(() => void server.close());
  const { port } = server.address() as AddressInfo; // oxlint-disable-line typescript/no-unsafe-type-assertion -- it listens on TCP
  return Object.assign(server, { port });
}

const signal = () => AbortSignal.timeout(15_000);

describe('reaching an SSH server', () => {
  it('gives a connection whose greeting is still to be read', async () => {
    const { port } = await listen((socket) => void socket.write('SSH-2.0-test\r\n'));
    const socket = await reachSsh({ host: '127.0.0.1', port }, performance.now(), signal());
    onTestFinished(() => void socket.destroy());
    expect(String(socket.read())).toBe('SSH-2.0-test\r\n');
  });

  it('tries anew while a user-mode network holds the first attempts', async () => {
    let attempts = 0;
    const { port } = await listen((socket) => {
      socket.on('error', () => undefined);
      attempts += 1;
      if (attempts > 3) socket.write('SSH-2.0-test\r\n');
    });
    const socket = await reachSsh({ host: '127.0.0.1', port }, performance.now(), signal());
    socket.destroy();
    expect(attempts).toBeGreaterThan(3);
  });

  it('doesn’t storm a slow guest that has its network: one attempt at a time, with patience', async () => {
    let attempts = 0;
    const { port } = await listen((socket) => {
      socket.on('error', () => undefined);
      attempts += 1;
      // Nothing listens in the guest yet; then a server that is slow to greet.
      if (attempts === 1) socket.resetAndDestroy();
      else setTimeout(() => socket.writable && socket.write('SSH-2.0-slow\r\n'), 3000);
    });
    const socket = await reachSsh({ host: '127.0.0.1', port }, performance.now(), signal());
    socket.destroy();
    expect(attempts).toBe(2);
  });
});
