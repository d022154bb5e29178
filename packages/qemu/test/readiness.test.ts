import { once } from 'node:events';
import { createServer } from 'node:net';
import { describe, expect, it } from 'vitest';

import { waitForService } from './readiness.ts';

const alive = async (): Promise<boolean> => true;
const dead = async (): Promise<boolean> => false;
const console = async (): Promise<string> => 'Kernel panic\n';

describe('waitForService', () => {
  it('outlives connections that are taken and never answered', async () => {
    let calls = 0;
    const server = createServer((socket) => {
      calls += 1;
      socket.on('error', () => {});
      if (calls > 3) socket.write('SSH-2.0-test\r\nand more');
    });
    const port = await listening(server);
    try {
      const greeting = await waitForService({ port, timeoutMs: 5000, isAlive: alive, console });
      expect(greeting).toBe('SSH-2.0-test');
    } finally {
      server.close();
    }
  });

  it('ends with what the guest printed last, at the deadline or when the machine has ended', async () => {
    const port = 1;
    await expect(
      waitForService({ port, timeoutMs: 50, isAlive: alive, console }),
    ).rejects.toMatchObject({
      code: 'TIMEOUT',
      data: { console: expect.stringContaining('Kernel panic') },
    });
    await expect(
      waitForService({ port, timeoutMs: 20_000, isAlive: dead, console }),
    ).rejects.toMatchObject({
      code: 'OPERATION_FAILED',
    });
  });

  it('stops when it is aborted', async () => {
    const signal = AbortSignal.timeout(30);
    await expect(
      waitForService({ port: 1, timeoutMs: 20_000, isAlive: alive, console, signal }),
    ).rejects.toMatchObject({
      code: 'CANCELLED',
    });
  });
});

async function listening(server: ReturnType<typeof createServer>): Promise<number> {
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  return typeof address === 'object' && address !== null ? address.port : 0;
}
