import { createServer } from 'node:net';

import { expect, it } from 'vitest';

import { probeLife, waitForService } from './readiness.ts';

it('is patient with a guest in proportion to how slow it is', () => {
  expect(probeLife(0)).toBe(1200);
  expect(probeLife(60_000)).toBe(10_000);
});

it('finds a service that hangs up on most connections', async () => {
  let connections = 0;
  const server = createServer((socket) => {
    connections += 1;
    socket.on('error', () => {});
    if (connections < 3) socket.destroy();
    else socket.end('SSH-2.0-test\r\n');
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  const port = address !== null && typeof address === 'object' ? address.port : 0;
  try {
    const greeting = await waitForService({
      port,
      timeoutMs: 10_000,
      isAlive: () => Promise.resolve(true),
      console: () => Promise.resolve(''),
    });
    expect(greeting).toBe('SSH-2.0-test');
  } finally {
    server.close();
  }
});
