import { ImgkitError, type CallOptions } from '@imgkit/core';
import { setTimeout as delay } from 'node:timers/promises';
import type { Client, ConnectConfig } from 'ssh2';
import type { Communicator } from './communicator.ts';
import { SshCommunicator } from './ssh-session.ts';
import { reachSsh, unreachable, type SshAddress } from './ssh-banner.ts';

/** Whom to connect to over SSH, and how. */
export interface SshOptions extends SshAddress, CallOptions {
  /** The guest's user. */
  readonly user: string;
  /** The private key in OpenSSH's format. A secret. */
  readonly privateKey: string;
  /** The server's public keys, as lines of OpenSSH's format; a server with another key is refused. Left out or empty, any key will do. */
  readonly hostKeys?: readonly string[] | undefined;
  /** How long to go on trying, in milliseconds: a machine may still be booting. Default: 300 000. */
  readonly timeoutMs?: number | undefined;
}

// Few and fast ones first; the rest only for servers that are older or stricter.
const algorithms: NonNullable<ConnectConfig['algorithms']> = {
  kex: [
    'curve25519-sha256',
    'curve25519-sha256@libssh.org',
    'ecdh-sha2-nistp256',
    'diffie-hellman-group14-sha256',
  ],
  serverHostKey: ['ssh-ed25519', 'ecdsa-sha2-nistp256', 'rsa-sha2-512', 'rsa-sha2-256'],
  cipher: ['aes128-gcm@openssh.com', 'chacha20-poly1305@openssh.com', 'aes128-ctr', 'aes256-ctr'],
  hmac: ['hmac-sha2-256-etm@openssh.com', 'hmac-sha2-256', 'hmac-sha1'],
  compress: ['none'],
};

/** An emulated guest may take seconds for one handshake, and on a busy host the longer the longer it has taken to get so far. */
const handshakeMs = (passedMs: number) => Math.min(110_000, Math.max(20_000, passedMs / 2));
/** A guest may be refusing us because it isn't set up yet. One that goes on refusing for so long won't change. */
const refusalMs = 60_000;

/**
 * Connects to a guest over SSH, as soon as it can be reached. Everything then goes over one connection.
 *
 * @throws {@link ImgkitError} `TIMEOUT` when it can't be reached in time, `UNAUTHENTICATED` when it keeps refusing the
 *   key or has another host key than expected, `CANCELLED`.
 */
export async function connectSsh(options: SshOptions): Promise<Communicator> {
  const peer = `${options.user}@${options.host}:${options.port}`;
  const timeoutMs = options.timeoutMs ?? 300_000;
  const started = performance.now();
  const deadline = AbortSignal.timeout(timeoutMs);
  const signal =
    options.signal === undefined ? deadline : AbortSignal.any([options.signal, deadline]);
  let refusedSince: number | undefined;
  let last: unknown;
  for (;;) {
    try {
      return await attempt(peer, options, started, signal);
    } catch (error) {
      if (options.signal?.aborted === true)
        throw new ImgkitError('CANCELLED', `connecting to ${peer} was cancelled`, {
          operation: 'ssh.connect',
          cause: error,
        });
      // A server that refuses us has been reached: why it does says more than that the time is over.
      if (deadline.aborted)
        throw refusedSince === undefined ? unreachable(peer, timeoutMs, last ?? error) : last;
      last = error;
      const now = performance.now();
      refusedSince = ImgkitError.is(error, 'UNAUTHENTICATED') ? (refusedSince ?? now) : undefined;
      if (refusedSince !== undefined && now - refusedSince > Math.min(refusalMs, timeoutMs / 2))
        throw error;
    }
    await delay(performance.now() - started < 60_000 ? 100 : 500);
  }
}

async function attempt(
  peer: string,
  options: SshOptions,
  started: number,
  signal: AbortSignal,
): Promise<Communicator> {
  const [ssh2, sock] = await Promise.all([import('ssh2'), reachSsh(options, started, signal)]);
  const client = new ssh2.default.Client();
  const pinned = options.hostKeys?.map(blobOf) ?? [];
  let wrongKey = false;
  const { promise: ready, resolve, reject } = Promise.withResolvers<void>();
  const abort = () => reject(signal.reason);
  signal.addEventListener('abort', abort, { once: true });
  client
    .once('ready', resolve)
    // Later errors come as `close` too.
    .on('error', (error) => reject(refusal(peer, error, wrongKey)))
    .once('close', () => reject(new Error(`${peer} closed the connection during the handshake`)));
  client.connect({
    sock,
    username: options.user,
    privateKey: options.privateKey,
    // Not even asking which methods there are saves a round trip.
    authHandler: ['publickey'],
    algorithms: algorithmsFor(options.hostKeys),
    readyTimeout: handshakeMs(performance.now() - started),
    keepaliveInterval: 10_000,
    keepaliveCountMax: 6,
    hostVerifier: (key: Buffer) => {
      const known = pinned.length === 0 || pinned.includes(key.toString('base64'));
      wrongKey = !known;
      return known;
    },
  });
  sock.resume();
  try {
    await ready;
  } catch (error) {
    destroy(client, sock);
    throw error;
  } finally {
    signal.removeEventListener('abort', abort);
  }
  return new SshCommunicator(client, peer, options.user);
}

/** With pinned keys, only their types are asked for: the server may have others too. */
function algorithmsFor(hostKeys: readonly string[] | undefined): typeof algorithms {
  if (hostKeys === undefined || hostKeys.length === 0) return algorithms;
  const types = new Set(hostKeys.map((line) => line.split(' ')[0]));
  const wanted = [algorithms.serverHostKey]
    .flat()
    .filter(
      (one): one is 'ssh-ed25519' =>
        typeof one === 'string' && types.has(one.startsWith('rsa-') ? 'ssh-rsa' : one),
    );
  return wanted.length === 0 ? algorithms : { ...algorithms, serverHostKey: wanted };
}

function refusal(peer: string, error: Error & { level?: string }, wrongKey: boolean): Error {
  if (wrongKey)
    return new ImgkitError(
      'UNAUTHENTICATED',
      `the SSH server at ${peer} doesn't have the host key it must have`,
      {
        operation: 'ssh.connect',
        resource: peer,
        hint: 'Something else answers at this address, or the guest made host keys of its own.',
        cause: error,
      },
    );
  if (error.level === 'client-authentication')
    return new ImgkitError('UNAUTHENTICATED', `the SSH server at ${peer} refused the key`, {
      operation: 'ssh.connect',
      resource: peer,
      hint: 'Does the image take authorized keys at boot (cloud-init or the like), and for this user?',
      cause: error,
    });
  return error;
}

function destroy(client: Client, sock: { destroy(): unknown }): void {
  client.on('error', () => undefined);
  client.destroy();
  sock.destroy();
}

/** The key itself of a line `type base64 comment`. */
function blobOf(line: string): string {
  return line.trim().split(/\s+/u)[1] ?? '';
}
