import { spawn } from 'node:child_process';
import { access, mkdtemp, readFile, rm } from 'node:fs/promises';
import { createServer, type AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { TestProject } from 'vitest/node';

/** A real OpenStack on loopback, or why there is none here: skip the tests with that reason. */
export type OpenStackCloud =
  | {
      readonly missing?: undefined;
      /** Where its files are: `clouds.yaml`, `log/`, `nova/instances/<server>/disk`. */
      readonly directory: string;
      /** Keystone, with `/v3`. */
      readonly identity: string;
      /** The password of every user: `images`, `consumer-a`, `consumer-b`, `admin`, `outsider`. */
      readonly password: string;
      /** What `up` takes from its environment, to start again what was ended. */
      readonly environment: Readonly<Record<string, string>>;
    }
  | { readonly missing: string };

declare module 'vitest' {
  interface ProvidedContext {
    /** The OpenStack that all these tests share. Read it with `inject`. */
    openstack: OpenStackCloud;
  }
}

const script = (name: string): string => fileURLToPath(new URL(name, import.meta.url));

/** Runs once, before the first test: starts Keystone, Glance, Placement, Nova and Cinder, and ends them after the last. */
export async function setup(project: TestProject): Promise<(() => Promise<void>) | undefined> {
  const missing = await reasonToSkip();
  if (missing !== undefined) {
    console.log(`The tests against OpenStack are skipped: ${missing}`);
    project.provide('openstack', { missing });
    return undefined;
  }
  const directory = await mkdtemp(join(tmpdir(), 'imgkit-openstack-'));
  const stop = () => run(script('down'), ['--purge', directory], {});
  try {
    const environment = await settings();
    await run(script('up'), [directory], { ...environment, OWNER_PID: String(process.pid) });
    project.provide('openstack', {
      directory,
      identity: `http://127.0.0.1:${environment['KEYSTONE_PORT']}/v3`,
      password: environment['OPENSTACK_PASSWORD'] ?? '',
      environment,
    });
  } catch (error) {
    await stop();
    await rm(directory, { recursive: true, force: true });
    throw error;
  }
  return stop;
}

/** The services are Debian 12's own packages, which only root installs. */
async function reasonToSkip(): Promise<string | undefined> {
  const release = await readFile('/etc/os-release', 'utf8').catch(() => '');
  const isDebian12 = /^ID=debian$/m.test(release) && /^VERSION_ID="12"$/m.test(release);
  if (!isDebian12) return 'its services are started from the packages of Debian 12';
  if (process.getuid?.() !== 0) return 'only root can install and start its services';
  const hasApt = await access('/usr/bin/apt-get').then(
    () => true,
    () => false,
  );
  return hasApt ? undefined : 'apt-get is not there to install its services';
}

async function settings(): Promise<Record<string, string>> {
  const names = ['KEYSTONE', 'GLANCE', 'NOVA', 'PLACEMENT', 'NEUTRON', 'CINDER'];
  const ports = await freePorts(names.length);
  return {
    ...Object.fromEntries(names.map((name, index) => [`${name}_PORT`, String(ports[index])])),
    OPENSTACK_PASSWORD: 'not-a-secret-but-hidden',
  };
}

/** Ports that nobody listens on; they are all held until the last is found, so that no two are the same. */
async function freePorts(count: number): Promise<number[]> {
  const servers = Array.from({ length: count }, () => createServer());
  const ports = servers.map((server) => {
    const { promise, resolve, reject } = Promise.withResolvers<number>();
    server.once('error', reject);
    server.listen(0, '127.0.0.1', () => resolve(portOf(server.address())));
    return promise;
  });
  const found = await Promise.all(ports);
  await Promise.all(
    servers.map(async (server) => {
      const { promise, resolve } = Promise.withResolvers<void>();
      server.close(() => resolve());
      await promise;
    }),
  );
  return found;
}

function portOf(address: AddressInfo | string | null): number {
  if (address === null || typeof address === 'string') throw new Error('no port was given');
  return address.port;
}

/** Runs one of the scripts to its end. */
async function run(
  command: string,
  args: readonly string[],
  environment: Readonly<Record<string, string>>,
): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  const child = spawn(command, args, {
    stdio: ['ignore', 'ignore', 'pipe'],
    env: { ...process.env, ...environment },
  });
  let said = '';
  child.stderr.on('data', (chunk: Buffer) => {
    said = `${said}${chunk.toString()}`.slice(-4000);
  });
  child.once('error', reject);
  child.once('close', (code) => {
    if (code === 0) resolve();
    else reject(new Error(`${command} ended with ${code}: ${said}`));
  });
  await promise;
}
