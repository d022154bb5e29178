import { createImgkit, type Image, type Instance, type Provider } from '@imgkit/core';
import { spawn } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';

import { createHostKey } from '../src/machine/host-key.ts';
import { waitForService } from './readiness.ts';
import { qemu } from '../src/plugin.ts';

/** The size that the tests' machines have. */
export const machineType = { cpus: 1, memoryBytes: 256 * 2 ** 20 };

/** A store with the tiny base image in it, whose machines can be logged in to. */
export async function guestLab(directory: string, base: string) {
  const home = await mkdtemp(join(directory, 'guests-'));
  const store = join(home, 'store');
  const kit = await createImgkit({
    stateDirectory: join(home, 'state'),
    providers: [qemu({ directory: store })],
  });
  const provider = kit.providers.get('qemu');
  const { instances } = provider;
  if (instances === undefined) throw new Error('the provider has no instances');
  const image = await provider.images.create({
    name: 'tiny',
    source: { kind: 'file', file: base },
  });
  const key = createHostKey();
  const keyFile = join(home, 'key');
  await writeFile(keyFile, key.privateKey, { mode: 0o600 });
  const known = join(home, 'known');

  const waitForGuest = async (instance: Instance, timeoutMs = 120_000): Promise<void> => {
    const { port } = await instances.endpoint(instance.id);
    await waitForService({
      port,
      timeoutMs,
      isAlive: async () => (await instances.get(instance.id)).status === 'RUNNING',
      console: () => instances.console(instance.id),
    });
  };

  /** Runs a script in a guest, whose host key must be the one that the provider tells. */
  const run = async (instance: Instance, script: string, identity = keyFile): Promise<string> => {
    const { port, hostKeys } = await instances.endpoint(instance.id);
    const options = [
      'StrictHostKeyChecking=yes',
      `UserKnownHostsFile=${known}`,
      'BatchMode=yes',
      'LogLevel=ERROR',
    ];
    await writeFile(known, hostKeys.map((one) => `[127.0.0.1]:${port} ${one}\n`).join(''));
    const args = [
      '-i',
      identity,
      '-p',
      String(port),
      ...options.flatMap((option) => ['-o', option]),
    ];
    for (let tries = 1; ; tries++) {
      const { code, output } = await call('ssh', [...args, 'root@127.0.0.1', 'sh -s'], script);
      if (code === 0) return output.trim();
      // Right after the boot the server still counts the probes as guests that don't log in.
      const early = /Connection (closed|reset)|kex_exchange/.test(output);
      if (!early || tries === 60) throw new Error(`ssh ended with ${code}: ${output}`);
      await delay(500);
    }
  };

  return {
    kit,
    provider,
    instances,
    image,
    store,
    keyFile,
    home,
    waitForGuest,
    run,
    launch: (name: string, wishes: object = {}) =>
      instances.launch(request(name, image, key.publicKey, wishes)),
    request: (name: string, wishes: object = {}) => request(name, image, key.publicKey, wishes),
    /** Removes all machines, also those of a test that failed. */
    clear: () => removeInstances(provider),
    async [Symbol.asyncDispose]() {
      await removeInstances(provider);
      await kit[Symbol.asyncDispose]();
      await rm(home, { recursive: true, force: true });
    },
  };
}

export type GuestLab = Awaited<ReturnType<typeof guestLab>>;

function request(name: string, image: Image, publicKey: string, wishes: object) {
  return {
    name,
    boot: { kind: 'image', image: image.ref } as const,
    machineType,
    authorizedKeys: [{ user: 'root', publicKey }],
    ephemeral: true,
    ...wishes,
  };
}

async function removeInstances({ instances }: Provider): Promise<void> {
  if (instances === undefined) return;
  for await (const { id } of instances.list()) await instances.delete(id);
}

/** Runs a program with `input`, and gives what it printed. */
export async function call(
  program: string,
  args: readonly string[],
  input = '',
): Promise<{ code: number | null; output: string }> {
  const child = spawn(program, args, { stdio: ['pipe', 'pipe', 'pipe'] });
  let output = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => (output += text));
  child.stderr.setEncoding('utf8').on('data', (text: string) => (output += text));
  child.stdin.on('error', () => {});
  child.stdin.end(input);
  const code = await new Promise<number | null>((resolve, reject) => {
    child.once('error', reject);
    child.once('close', resolve);
  });
  return { code, output };
}

/** All a listing gives. */
export async function collect<T>(listing: AsyncIterable<T> | undefined): Promise<T[]> {
  const items: T[] = [];
  if (listing !== undefined) for await (const item of listing) items.push(item);
  return items;
}
