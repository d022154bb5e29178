import { spawn } from 'node:child_process';
import { access, mkdtemp, readFile, rm } from 'node:fs/promises';
import { createServer, type AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** A real OpenStack on loopback. */
export interface OpenStack {
  /** Where its files are: `clouds.yaml`, `log/`, `nova/instances/<server>/disk`. */
  readonly directory: string;
  /** Keystone, with `/v3`. */
  readonly identity: string;
  /** The password of every user: `images`, `consumer-a`, `consumer-b`, `admin`, `outsider`. */
  readonly password: string;
  /** What `up` takes from its environment, to start again what was ended. */
  readonly environment: Readonly<Record<string, string>>;
  /** Ends its services and removes its files. */
  readonly stop: () => Promise<void>;
}

/** How an {@link OpenStack} differs from the usual one. */
export interface OpenStackOptions {
  /** Whether it has Placement, Nova and Cinder too; it does by default. */
  readonly compute?: boolean | undefined;
  /** How long a token lives, in seconds; an hour by default. */
  readonly tokenSeconds?: number | undefined;
}

const script = (name: string): string => fileURLToPath(new URL(name, import.meta.url));

/** Starts one on ports of its own. It ends with this process, at the latest. */
export async function startOpenStack(options: OpenStackOptions = {}): Promise<OpenStack> {
  const directory = await mkdtemp(join(tmpdir(), 'imgkit-openstack-'));
  const stop = () => run(script('down'), ['--purge', directory], {});
  try {
    const environment = await settings(options);
    await run(script('up'), [directory], { ...environment, OWNER_PID: String(process.pid) });
    return {
      directory,
      identity: `http://127.0.0.1:${environment['KEYSTONE_PORT']}/v3`,
      password: environment['OPENSTACK_PASSWORD'] ?? '',
      environment,
      stop,
    };
  } catch (error) {
    await stop();
    await rm(directory, { recursive: true, force: true });
    throw error;
  }
}

/** Ends one of its services at once, with all that it has begun, and starts it again. */
export async function restartService(
  { directory, environment }: Pick<OpenStack, 'directory' | 'environment'>,
  service: 'keystone' | 'glance' | 'placement' | 'nova' | 'cinder',
): Promise<void> {
  const pid = await readFile(join(directory, 'pids', service), 'utf8');
  process.kill(-Number(pid), 'SIGKILL');
  await run(script('up'), [directory], environment);
}

/** The services are Debian 12's own packages, which only root installs. */
export async function reasonToSkip(): Promise<string | undefined> {
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

async function settings({
  compute = true,
  tokenSeconds,
}: OpenStackOptions): Promise<Record<string, string>> {
  const names = ['KEYSTONE', 'GLANCE', 'NOVA', 'PLACEMENT', 'NEUTRON', 'CINDER'];
  const ports = await freePorts(names.length);
  return {
    ...Object.fromEntries(names.map((name, index) => [`${name}_PORT`, String(ports[index])])),
    OPENSTACK_PASSWORD: 'not-a-secret-but-hidden',
    WITH_COMPUTE: compute ? '1' : '0',
    ...(tokenSeconds !== undefined && { TOKEN_TTL: String(tokenSeconds) }),
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
