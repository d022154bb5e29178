import { randomBytes } from 'node:crypto';
import { mkdir, mkdtemp, readFile, readdir, rm, stat, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, it, onTestFinished } from 'vitest';
import { startSshServer, userLands, type TestServer } from '../../test/ssh-server.ts';
import type { Communicator } from './communicator.ts';
import { connectSsh } from './ssh.ts';
import { generateSshKeyPair } from './ssh-keys.ts';

function connect(
  server: TestServer,
  more: { hostKeys?: string[]; timeoutMs?: number; signal?: AbortSignal; privateKey?: string } = {},
) {
  return connectSsh({
    host: '127.0.0.1',
    port: server.port,
    user: 'root',
    privateKey: server.login.privateKey,
    timeoutMs: 15_000,
    ...more,
  });
}

describe('connectSsh', () => {
  it('waits for a server that does not listen yet, and for one that accepts but stays silent', async () => {
    // Silent at first, as a user-mode network is while the guest boots.
    const silent = createServer().listen(0, '127.0.0.1');
    await new Promise((resolve) => {
      silent.once('listening', resolve);
    });
    const address = silent.address();
    const port = typeof address === 'object' && address !== null ? address.port : 0;
    const login = generateSshKeyPair('x');
    const connecting = connectSsh({
      host: '127.0.0.1',
      port,
      user: 'root',
      privateKey: login.privateKey,
      timeoutMs: 15_000,
    });
    await new Promise((resolve) => {
      silent.once('connection', resolve);
    });
    silent.close();
    await using server = await startSshServer({ port, authorizedKey: login.publicKey });
    await using guest = await connecting;
    expect(await guest.exec('echo up')).toMatchObject({ exitCode: 0, stdout: 'up\n' });
    expect(server.commands()).toBe(1);
  });

  it('refuses a server with another host key than the pinned one, before it shows its login', async () => {
    await using server = await startSshServer();
    const other = generateSshKeyPair('other');
    await expect(
      connect(server, { hostKeys: [other.publicKey], timeoutMs: 3000 }),
    ).rejects.toMatchObject({ code: 'UNAUTHENTICATED' });
    await using guest = await connect(server, {
      hostKeys: [other.publicKey, server.host.publicKey],
    });
    expect(guest.connected).toBe(true);
  });

  it('says so when the key is refused', async () => {
    await using server = await startSshServer();
    const { privateKey } = generateSshKeyPair('stranger');
    await expect(connect(server, { privateKey, timeoutMs: 3000 })).rejects.toMatchObject({
      code: 'UNAUTHENTICATED',
      hint: expect.stringContaining('cloud-init'),
    });
  });

  it('says so at its deadline too, when it was refused until then', async () => {
    const { port } = await startSshServer().then(async (server) => {
      await server[Symbol.asyncDispose]();
      return server;
    });
    const { privateKey } = generateSshKeyPair('stranger');
    const address = { host: '127.0.0.1', port, user: 'root' };
    const refused = connectSsh({ ...address, privateKey, timeoutMs: 4000 }).catch(
      (error: unknown) => error,
    );
    // So late that there is no time left to see that it goes on refusing.
    await delay(2100);
    await using server = await startSshServer({ port });
    expect(await refused).toMatchObject({ code: 'UNAUTHENTICATED' });
    expect(server.handshakes()).toBeGreaterThan(0);
  });

  it('gives up at its deadline and at its signal', async () => {
    const nobody = {
      host: '127.0.0.1',
      port: 1,
      user: 'root',
      privateKey: generateSshKeyPair('x').privateKey,
    };
    await expect(connectSsh({ ...nobody, timeoutMs: 200 })).rejects.toMatchObject({
      code: 'TIMEOUT',
    });
    await expect(connectSsh({ ...nobody, signal: AbortSignal.timeout(100) })).rejects.toMatchObject(
      { code: 'CANCELLED' },
    );
  });
});

describe.each(userLands)('a connection to a guest with the user land of %s', (land) => {
  let server: TestServer;
  let guest: Communicator;
  let local: string;
  beforeEach(async () => {
    server = await startSshServer({ land });
    guest = await connect(server);
    local = await mkdtemp(join(tmpdir(), 'imgkit-local-'));
  });
  afterEach(async () => {
    await guest[Symbol.asyncDispose]();
    await server[Symbol.asyncDispose]();
    await rm(local, { recursive: true });
  });

  it('runs commands side by side over one connection, with input, both outputs and the exit code', async () => {
    const results = await Promise.all(
      [0, 7, 42].map((code) =>
        guest.exec(`cat; echo problem >&2; exit ${code}`, { stdin: `input ${code}` }),
      ),
    );
    expect(results).toEqual(
      [0, 7, 42].map((exitCode) => ({
        exitCode,
        stdout: `input ${exitCode}`,
        stderr: 'problem\n',
      })),
    );
    expect(server.handshakes()).toBe(1);
  });

  it('reports a signal as shells do', async () => {
    expect((await guest.exec('kill -9 $$')).exitCode).toBe(137);
  });

  it('hands output over while the command runs', async () => {
    const { promise, resolve } = Promise.withResolvers<string>();
    const go = join(server.directory, 'go');
    const running = guest.exec(`echo first; while [ ! -e ${go} ]; do sleep 0.05; done`, {
      onStdout: (bytes) => resolve(bytes.toString()),
    });
    expect(await promise).toBe('first\n');
    await mkdir(go);
    expect(await running).toMatchObject({ exitCode: 0, stdout: '' });
  });

  it('stops a command at its signal', async () => {
    const stop = new AbortController();
    const running = guest.exec('echo go; sleep 60', {
      signal: stop.signal,
      onStdout: () => stop.abort(),
    });
    await expect(running).rejects.toMatchObject({ code: 'CANCELLED' });
    await expect(guest.exec('true', { signal: stop.signal })).rejects.toMatchObject({
      code: 'CANCELLED',
    });
  });

  it('notices when the connection breaks, in what runs and in what comes', async () => {
    const running = guest.exec('echo go; sleep 60', { onStdout: () => server.cut() });
    await expect(running).rejects.toMatchObject({ code: 'UNAVAILABLE', retryable: true });
    await guest.disconnected;
    expect(guest.connected).toBe(false);
    await expect(guest.exec('true')).rejects.toMatchObject({ code: 'UNAVAILABLE' });
  });

  it('carries files there and back unchanged, with their mode', async () => {
    const bytes = randomBytes(700_001);
    const path = join(local, 'data.bin');
    await writeFile(path, bytes);
    const remote = join(server.directory, "new dir/it's.bin");
    await guest.upload({ content: { path }, destination: remote, mode: 0o750 });
    expect(await readFile(remote)).toEqual(bytes);
    expect((await stat(remote)).mode & 0o7777).toBe(0o750);
    await guest.download({ source: remote, destination: join(local, 'sub/back.bin') });
    expect(await readFile(join(local, 'sub/back.bin'))).toEqual(bytes);
    await guest.upload({ content: '', destination: join(server.directory, 'empty') });
    await guest.download({
      source: join(server.directory, 'empty'),
      destination: join(local, 'empty'),
    });
    expect((await stat(join(local, 'empty'))).size).toBe(0);
  });

  it('puts a file into a directory under its own name', async () => {
    await mkdir(join(server.directory, 'd'));
    await writeFile(join(local, 'a.conf'), 'a');
    await guest.upload({
      content: { path: join(local, 'a.conf') },
      destination: `${server.directory}/d/`,
    });
    expect(await readdir(join(server.directory, 'd'))).toEqual(['a.conf']);
  });

  it('leaves the old file in place, and no other, when the new one did not arrive whole', async () => {
    const remote = join(server.directory, 'kept');
    await writeFile(remote, 'old');
    const path = join(local, 'shrinks');
    await writeFile(path, 'x'.repeat(100));
    const upload = guest.upload({ content: { path }, destination: remote, mode: 0o600 });
    await writeFile(path, 'changed meanwhile');
    // Either the digest was taken before the change, and does not fit what came, or after it, and all is well.
    await upload.then(
      async () => expect(await readFile(remote, 'utf8')).toBe('changed meanwhile'),
      async (error: unknown) => {
        expect(error).toMatchObject({ code: 'FAILED_PRECONDITION' });
        expect(await readFile(remote, 'utf8')).toBe('old');
      },
    );
    expect(
      (await readdir(server.directory)).filter((name) => name.includes('imgkit-part')),
    ).toEqual([]);
  });

  it('says so when a file is not there, and leaves nothing behind', async () => {
    await expect(
      guest.download({ source: '/does/not/exist', destination: join(local, 'x') }),
    ).rejects.toMatchObject({ code: 'NOT_FOUND' });
    await expect(
      guest.upload({ content: { path: join(local, 'x') }, destination: '/tmp/x' }),
    ).rejects.toMatchObject({ code: 'NOT_FOUND' });
    await expect(guest.upload({ content: 'x', destination: 'relative' })).rejects.toMatchObject({
      code: 'INVALID_ARGUMENT',
    });
    expect(await readdir(local)).toEqual([]);
  });
});

it('generateSshKeyPair makes keys that OpenSSH reads', async () => {
  const { default: ssh2 } = await import('ssh2');
  for (let i = 0; i < 20; i++) {
    const pair = generateSshKeyPair(`key ${i}`);
    const [parsed, own] = [
      ssh2.utils.parseKey(pair.privateKey),
      ssh2.utils.parseKey(pair.publicKey),
    ];
    if (parsed instanceof Error || own instanceof Error) throw new Error('not parsed');
    expect(parsed.getPublicSSH()).toEqual(own.getPublicSSH());
    expect(own.verify('text', parsed.sign('text'))).toBe(true);
  }
  const directory = await mkdtemp(join(tmpdir(), 'imgkit-key-'));
  onTestFinished(() => rm(directory, { recursive: true }));
  const pair = generateSshKeyPair('for ssh-keygen');
  await writeFile(join(directory, 'key'), pair.privateKey, { mode: 0o600 });
  const { spawnSync } = await import('node:child_process');
  const { error, stdout } = spawnSync('ssh-keygen', ['-y', '-f', join(directory, 'key')]);
  if (error !== undefined) return; // not installed: parsed by ssh2 above
  expect(stdout.toString().split(' ').slice(0, 2)).toEqual(pair.publicKey.split(' ').slice(0, 2));
});
