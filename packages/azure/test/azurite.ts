import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';

import { BlobServiceClient, StorageSharedKeyCredential } from '@azure/storage-blob';

/** Azurite's own account, which everybody knows. */
const account = 'devstoreaccount1';
const key =
  'Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw==';

/** A running Azurite: Microsoft's own emulator of Azure's blob storage. */
export interface Azurite extends AsyncDisposable {
  /** Where the account is: `http://127.0.0.1:34567/devstoreaccount1`. */
  readonly endpoint: string;
  readonly account: string;
  readonly key: string;
  /** Microsoft's own client, for what tests look at. */
  readonly service: BlobServiceClient;
}

/** Starts Azurite in a process of its own, with the containers. What it keeps goes with it. */
export async function startAzurite(...containers: readonly string[]): Promise<Azurite> {
  const require = createRequire(import.meta.url);
  const program = require.resolve('azurite/dist/src/blob/main.js');
  const location = await mkdtemp(join(tmpdir(), 'imgkit-azurite-'));
  const flags = ['--blobPort', '0', '--location', location, '--disableTelemetry'];
  const server = spawn(process.execPath, [program, ...flags, '--silent', '--skipApiVersionCheck'], {
    stdio: ['ignore', 'pipe', 'inherit'],
    env: { ...process.env, NODE_OPTIONS: '' },
  });
  const ended = once(server, 'exit');
  const close = async (): Promise<void> => {
    server.kill('SIGKILL');
    await ended;
    await rm(location, { recursive: true, force: true });
  };
  try {
    const origin = await listening(server.stdout);
    server.stdout.resume();
    const endpoint = `${origin}/${account}`;
    const service = new BlobServiceClient(endpoint, new StorageSharedKeyCredential(account, key));
    for (const container of containers) await service.createContainer(container);
    return { endpoint, account, key, service, [Symbol.asyncDispose]: close };
  } catch (error) {
    await close();
    throw error;
  }
}

async function listening(output: NodeJS.ReadableStream): Promise<string> {
  for await (const line of createInterface({ input: output })) {
    const origin = /listens on (http:\S+)/.exec(line)?.[1];
    if (origin !== undefined) return origin;
  }
  throw new Error('Azurite ended before it listened');
}
