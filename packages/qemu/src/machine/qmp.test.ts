import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { createServer, type Server, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { QmpClient } from './qmp.ts';
import { withSocketPath } from './socket-path.ts';

const greeting = '{"QMP":{"version":{"qemu":{"major":7}},"capabilities":[]}}\n';
let directory: string;
let server: Server | undefined;
const sockets = new Set<Socket>();

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'imgkit-qmp-'));
});

afterEach(async () => {
  for (const socket of sockets) socket.destroy();
  sockets.clear();
  const closing = server;
  server = undefined;
  if (closing !== undefined) await new Promise((resolve) => closing.close(resolve));
  await rm(directory, { recursive: true, force: true });
});

async function listen(path: string, serve: (socket: Socket) => void): Promise<void> {
  server = createServer((socket) => {
    sockets.add(socket);
    socket.on('error', () => {});
    serve(socket);
  });
  const listening = server;
  await new Promise<void>((resolve) => listening.listen(path, resolve));
}

/** A QEMU that answers each command by `answer`. */
function fakeQemu(answer: (command: string, id: number) => string) {
  return (socket: Socket): void => {
    socket.write(greeting);
    socket.setEncoding('utf8');
    socket.on('data', (chunk) => {
      for (const line of String(chunk).split('\n').filter(Boolean)) {
        const command: { execute: string; id: number } = JSON.parse(line);
        const ready = command.execute === 'qmp_capabilities';
        socket.write(
          ready ? `{"return":{},"id":${command.id}}\n` : answer(command.execute, command.id),
        );
      }
    });
  };
}

describe('QmpClient', () => {
  it('runs commands, matching answers that come out of order and in pieces', async () => {
    const held: number[] = [];
    await listen(join(directory, 'q'), (socket) => {
      fakeQemu((_command, id) => {
        held.push(id);
        if (held.length < 2) return '';
        setImmediate(() => socket.write(`,"id":${held[1]}}\n{"return":"first","id":${held[0]}}\n`));
        return '{"return":"second"';
      })(socket);
    });
    await using client = await QmpClient.connect(directory, 'q', { timeoutMs: 20_000 });
    expect(await Promise.all([client.execute('a'), client.execute('b')])).toEqual([
      'first',
      'second',
    ]);
  });

  it('turns a refusal into a typed error with the class of QEMU', async () => {
    await listen(
      join(directory, 'q'),
      fakeQemu((command, id) =>
        command === 'nothing'
          ? `{"error":{"class":"CommandNotFound","desc":"no such command"},"id":${id}}\n`
          : `{"error":{"class":"GenericError","desc":"disk is full"},"id":${id}}\n`,
      ),
    );
    await using client = await QmpClient.connect(directory, 'q', { timeoutMs: 20_000 });
    await expect(client.execute('nothing')).rejects.toMatchObject({ code: 'UNSUPPORTED' });
    await expect(client.execute('migrate')).rejects.toMatchObject({
      code: 'OPERATION_FAILED',
      providerCode: 'GenericError',
      message: expect.stringContaining('disk is full'),
    });
  });

  it('hands events to its listeners until they leave', async () => {
    await listen(
      join(directory, 'q'),
      fakeQemu(
        (command, id) => `{"event":"${command}","data":{"guest":true}}\n{"return":{},"id":${id}}\n`,
      ),
    );
    await using client = await QmpClient.connect(directory, 'q', { timeoutMs: 20_000 });
    const seen: string[] = [];
    const leave = client.onEvent((event) =>
      seen.push(`${event.event} ${String(event.data['guest'])}`),
    );
    await client.execute('SHUTDOWN');
    leave();
    await client.execute('RESET');
    expect(seen).toEqual(['SHUTDOWN true']);
  });

  it('waits for a QEMU that listens later, also when one hung up before', async () => {
    const connecting = QmpClient.connect(directory, 'q', { timeoutMs: 20_000 });
    let calls = 0;
    await listen(join(directory, 'q'), (socket) => {
      calls += 1;
      if (calls === 1) socket.destroy();
      else fakeQemu((_command, id) => `{"return":{},"id":${id}}\n`)(socket);
    });
    await using client = await connecting;
    expect(await client.execute('query-status')).toEqual({});
    expect(calls).toBe(2);
  });

  it('fails with TIMEOUT when nobody is there, or accepts and says nothing', async () => {
    await expect(QmpClient.connect(directory, 'q', { timeoutMs: 60 })).rejects.toMatchObject({
      code: 'TIMEOUT',
    });
    await listen(join(directory, 'q'), () => {});
    await expect(QmpClient.connect(directory, 'q', { timeoutMs: 60 })).rejects.toMatchObject({
      code: 'TIMEOUT',
    });
  });

  it('fails with CANCELLED when the signal is aborted', async () => {
    await listen(
      join(directory, 'q'),
      fakeQemu(() => ''),
    );
    const abort = new AbortController();
    await using client = await QmpClient.connect(directory, 'q', { timeoutMs: 20_000 });
    const running = client.execute('migrate', {}, { signal: abort.signal });
    abort.abort();
    await expect(running).rejects.toMatchObject({ code: 'CANCELLED' });
    await expect(
      QmpClient.connect(directory, 'none', { timeoutMs: 20_000, signal: abort.signal }),
    ).rejects.toMatchObject({
      code: 'CANCELLED',
    });
  });

  it('fails what runs, and all that comes after, when QEMU ends', async () => {
    await listen(join(directory, 'q'), (socket) =>
      fakeQemu(() => {
        socket.destroy();
        return '';
      })(socket),
    );
    await using client = await QmpClient.connect(directory, 'q', { timeoutMs: 20_000 });
    await expect(client.execute('quit')).rejects.toMatchObject({ code: 'UNAVAILABLE' });
    await expect(client.execute('quit')).rejects.toMatchObject({ code: 'UNAVAILABLE' });
  });

  it('fails with PROTOCOL on what is not QMP', async () => {
    await listen(join(directory, 'q'), (socket) => socket.write('SSH-2.0-OpenSSH\n'));
    await expect(QmpClient.connect(directory, 'q', { timeoutMs: 20_000 })).rejects.toMatchObject({
      code: 'PROTOCOL',
    });
  });

  it.skipIf(process.platform !== 'linux')(
    'reaches a socket whose path is too long for one',
    async () => {
      const deep = join(directory, 'd'.repeat(90), 'e'.repeat(90));
      await mkdir(deep, { recursive: true });
      await withSocketPath(deep, 'q', (path) =>
        listen(
          path,
          fakeQemu((_command, id) => `{"return":7,"id":${id}}\n`),
        ),
      );
      await using client = await QmpClient.connect(deep, 'q', { timeoutMs: 20_000 });
      expect(await client.execute('x')).toBe(7);
    },
  );
});
