import { connectSsh, generateSshKeyPair, type Communicator } from '@imgkit/bake';
import { createImgkit, type Image, type Imgkit, type Instance, type Provider } from '@imgkit/core';
import { rackspace, type RackspaceOptions } from '@imgkit/rackspace';
import { randomBytes } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { inject } from 'vitest';

const cloud = inject('openstack');

/** Why there is no OpenStack here whose guests are real; `undefined` when there is one. */
export const missing = cloud.missing ?? inject('tinyBase').missing ?? (await whyNoAddresses());

/** Guests are reached at port 22 of addresses of this machine, unless something listens there on all of them. */
async function whyNoAddresses(): Promise<string | undefined> {
  const { promise, resolve } = Promise.withResolvers<string | undefined>();
  const server = createServer();
  server.once('error', (error) => resolve(`port 22 of 127.0.0.0/8 can't be had: ${error.message}`));
  server.listen({ host: '127.255.255.1', port: 22, exclusive: true }, () =>
    server.close(() => resolve(undefined)),
  );
  return promise;
}

/** How a user of the tests' OpenStack signs in; each has a project of its name. */
export function optionsOf(user: string): RackspaceOptions {
  if (cloud.missing !== undefined) throw new Error(cloud.missing);
  const { identity: authUrl, password } = cloud;
  return { authUrl, username: user, password, projectName: user, region: 'RegionOne' };
}

/** A call of the network service as a user, beside the adapter; its answer, whose form is Neutron's. */
export async function callNeutron(
  user: string,
  method: string,
  path: string,
  content?: object,
): Promise<any> {
  const { authUrl = '', username, password } = optionsOf(user);
  const domain = { id: 'default' };
  const credentials = { user: { name: username, domain, password } };
  const signedIn = await fetch(`${authUrl}/auth/tokens`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({
      auth: {
        identity: { methods: ['password'], password: credentials },
        scope: { project: { name: user, domain } },
      },
    }),
  });
  const { NEUTRON_PORT: port } = cloud.missing === undefined ? cloud.environment : {};
  const answer = await fetch(`http://127.0.0.1:${port}/v2.0${path}`, {
    method,
    headers: {
      'x-auth-token': signedIn.headers.get('x-subject-token') ?? '',
      'content-type': 'application/json',
    },
    body: content === undefined ? null : JSON.stringify(content),
  });
  const text = await answer.text();
  if (!answer.ok) throw new Error(text);
  return text === '' ? undefined : JSON.parse(text);
}

/** A project of the tests' OpenStack with an image that boots within seconds, and all that a test makes of it. */
export class OpenStackWorld implements AsyncDisposable {
  readonly kit: Imgkit;
  readonly provider: Provider;
  readonly base: Image;
  readonly directory: string;
  readonly login = generateSshKeyPair('test');
  readonly host = generateSshKeyPair('host');
  /** Tells the things of this world from others'. */
  readonly name: string;

  private constructor(kit: Imgkit, base: Image, directory: string, name: string) {
    this.kit = kit;
    this.provider = kit.providers.get('cloud');
    this.base = base;
    this.directory = directory;
    this.name = name;
  }

  /**
   * @param more - What differs in how the user signs in.
   * @param file - What the image is made of; one that can't boot gives servers without a guest.
   */
  static async open(
    user: string,
    more: RackspaceOptions = {},
    file = inject('tinyBase').image?.path ?? '',
  ): Promise<OpenStackWorld> {
    const directory = await mkdtemp(join(inject('vmDirectory'), 'o-'));
    const kit = await createImgkit({
      stateDirectory: join(directory, 'state'),
      providers: [rackspace({ name: 'cloud', ...optionsOf(user), ...more })],
    });
    const name = `w-${randomBytes(4).toString('hex')}`;
    const base = await kit.providers.get('cloud').images.create({
      name: `${name}-base`,
      source: { kind: 'file', file },
      labels: { world: name },
    });
    return new OpenStackWorld(kit, base, directory, name);
  }

  get instances() {
    const { instances } = this.provider;
    if (instances === undefined) throw new Error('the provider has no instances');
    return instances;
  }

  /** A request for a machine that can be logged in to. */
  request(wishes: object = {}) {
    return {
      name: `${this.name}-${randomBytes(3).toString('hex')}`,
      boot: { kind: 'image', image: this.base.ref } as const,
      machineType: 'small',
      authorizedKeys: [{ user: 'root', publicKey: this.login.publicKey }],
      hostKey: this.host,
      labels: { world: this.name },
      ...wishes,
    };
  }

  async connect({ id }: Pick<Instance, 'id'>): Promise<Communicator> {
    const { host, port } = await this.instances.endpoint(id);
    return connectSsh({
      host,
      port,
      user: 'root',
      privateKey: this.login.privateKey,
      hostKeys: [this.host.publicKey],
      timeoutMs: 180_000,
    });
  }

  /** What a command prints in a guest. */
  async run(machine: Pick<Instance, 'id'>, command: string): Promise<string> {
    await using guest = await this.connect(machine);
    const { exitCode, stdout, stderr } = await guest.exec(command);
    if (exitCode !== 0) throw new Error(`"${command}" ended with ${exitCode}: ${stderr}`);
    return stdout.trim();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    try {
      const labels = { world: this.name };
      for await (const { kind, id } of this.provider.owned.list(labels))
        await this.provider.owned.delete(kind, id);
    } finally {
      await this.kit[Symbol.asyncDispose]();
      await rm(this.directory, { recursive: true, force: true });
    }
  }
}
