import { setTimeout as delay } from 'node:timers/promises';

import { ImgkitError } from '@imgkit/core';
import type { Client, utils } from 'ssh2';

import type { HardwareOutput } from './hardware.ts';
import type { Target } from './loopback.ts';

/** How long a guest may take until it answers, and how often it is tried. */
const [longestBootMs, againMs] = [120_000, 200];

/** Runs scripts in guests, as the agent of a cloud does: over SSH, as root, with a key of the emulator's own. */
export interface GuestCommands {
  /** The key that guests must let in as root. */
  readonly publicKey: string;
  /**
   * Runs a script to its end.
   *
   * @throws {@link ImgkitError} with `TIMEOUT` if the guest doesn't answer.
   */
  run(guest: Target, script: string): Promise<HardwareOutput>;
}

/** The library is loaded for those who have real machines only. */
export async function createGuestCommands(): Promise<GuestCommands> {
  const { default: ssh } = await import('ssh2');
  const keys = ssh.utils.generateKeyPairSync('ed25519', { comment: 'imgkit-emulator' });
  return {
    publicKey: keys.public,
    async run(guest, script) {
      const client = await reach(() => new ssh.Client(), guest, keys);
      try {
        return await carryOut(client, script);
      } finally {
        client.end();
      }
    },
  };
}

type KeyPair = ReturnType<typeof utils.generateKeyPairSync>;

/** Connects to a guest, which may still be booting. */
async function reach(create: () => Client, guest: Target, keys: KeyPair): Promise<Client> {
  const end = Date.now() + longestBootMs;
  for (;;) {
    try {
      return await connected(create(), guest, keys);
    } catch (error) {
      if (Date.now() > end)
        throw new ImgkitError(
          'TIMEOUT',
          `the guest at ${guest.host}:${guest.port} doesn't answer`,
          {
            cause: error,
          },
        );
      await delay(againMs);
    }
  }
}

function connected(client: Client, { host, port }: Target, keys: KeyPair): Promise<Client> {
  const { promise, resolve, reject } = Promise.withResolvers<Client>();
  client.on('ready', () => resolve(client));
  client.on('error', reject);
  client.on('close', () => reject(new Error('the connection was closed')));
  client.connect({ host, port, username: 'root', privateKey: keys.private, readyTimeout: 20_000 });
  return promise;
}

function carryOut(client: Client, script: string): Promise<HardwareOutput> {
  const { promise, resolve, reject } = Promise.withResolvers<HardwareOutput>();
  client.exec('sh -s', (error, channel) => {
    if (error) return reject(error);
    const [stdout, stderr]: [Buffer[], Buffer[]] = [[], []];
    channel.on('data', (bytes: Buffer) => stdout.push(bytes));
    channel.stderr.on('data', (bytes: Buffer) => stderr.push(bytes));
    channel.on('close', () =>
      resolve({
        stdout: Buffer.concat(stdout).toString(),
        stderr: Buffer.concat(stderr).toString(),
      }),
    );
    channel.end(script);
  });
  return promise;
}
