import { createImgkit, type Image, type Imgkit, type Provider } from '@imgkit/core';
import { rackspace, type RackspaceOptions } from '@imgkit/rackspace';
import { mkdtemp, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { inject } from 'vitest';
import type { Job } from '../bake-program.fixture.ts';
import { machinesBelow, Program, type Ended } from './bake-world.ts';
import { leftoversOf } from './leftovers.ts';
import { LossyProxy } from './lossy-proxy.ts';
import { optionsOf } from './openstack-world.ts';

type BakeJob = Omit<Job, 'directory' | 'openStack'>;

/** A project of the tests' OpenStack with something to boot from as family `base`, and those who bake there. */
export class OpenStackBakeWorld implements AsyncDisposable {
  readonly directory: string;
  /** What the programs' requests to Glance and Nova go through. */
  readonly proxy: LossyProxy;
  readonly #options: RackspaceOptions;
  readonly #programs: Program[] = [];

  private constructor(directory: string, proxy: LossyProxy, options: RackspaceOptions) {
    this.directory = directory;
    this.proxy = proxy;
    this.#options = options;
  }

  static async open(user: string): Promise<OpenStackBakeWorld> {
    const cloud = inject('openstack');
    if (cloud.missing !== undefined) throw new Error(cloud.missing);
    const { GLANCE_PORT: glance, NOVA_PORT: nova } = cloud.environment;
    const proxy = await LossyProxy.open({
      image: `http://127.0.0.1:${glance}`,
      compute: `http://127.0.0.1:${nova}`,
    });
    const directory = await mkdtemp(join(inject('vmDirectory'), 'ob-'));
    const world = new OpenStackBakeWorld(directory, proxy, optionsOf(user));
    await world.use((_, { images }) =>
      images.create({
        name: 'base-1',
        source: { kind: 'file', file: inject('tinyBase').image?.path ?? '' },
        family: 'base',
      }),
    );
    return world;
  }

  /** A program that bakes in this world. */
  start(job: BakeJob): Program {
    const { directory, proxy } = this;
    const endpoints = {
      imageEndpoint: proxy.url('image'),
      computeEndpoint: `${proxy.url('compute')}/v2.1`,
    };
    const started = new Program({
      ...job,
      directory,
      openStack: { ...this.#options, ...endpoints },
    });
    this.#programs.push(started);
    return started;
  }

  /** Runs a program to its end. */
  bake(job: BakeJob): Promise<Ended> {
    return this.start(job).ended;
  }

  /** Opens a kit on this world for a moment. */
  async use<T>(work: (kit: Imgkit, provider: Provider) => PromiseLike<T>): Promise<T> {
    await using kit = await createImgkit({
      providers: [rackspace({ name: 'cloud', ...this.#options })],
      stateDirectory: join(this.directory, 'state'),
    });
    return await work(kit, kit.providers.get('cloud'));
  }

  /** The images beside the base. */
  images(): Promise<readonly Image[]> {
    return this.use(async (_, { images, project }) => {
      const all: Image[] = [];
      for await (const image of images.list({ project }))
        if (image.name !== 'base-1') all.push(image);
      return all.toSorted((a, b) => a.name.localeCompare(b.name));
    });
  }

  /** All that should not be there when nothing is at work, in the cloud and behind it: empty when all is well. */
  leftovers(): Promise<readonly string[]> {
    return this.use(async (kit, provider) => {
      const left = await leftoversOf(kit, provider);
      for await (const { kind, id } of provider.owned.list({}))
        if (kind !== 'image') left.push(`${kind} ${id}`);
      const cloud = inject('openstack');
      const behind = cloud.missing === undefined ? cloud.directory : '';
      const guests = machinesBelow(join(behind, 'nova', 'instances'));
      left.push(...guests.map(({ pid }) => `process ${pid}`));
      return left;
    });
  }

  /** Ends the programs that are still at work. */
  async stopAll(): Promise<void> {
    this.proxy.answer();
    for (const one of this.#programs) one.kill();
    await Promise.allSettled(this.#programs.map(({ ended }) => ended));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    try {
      await this.stopAll();
      await this.use(async (_, { images, instances, project }) => {
        for await (const { id } of instances?.list() ?? []) await instances?.delete(id);
        for await (const { ref } of images.list({ project })) await images.delete(ref.id);
      });
      await this.proxy[Symbol.asyncDispose]();
    } finally {
      await rm(this.directory, { recursive: true, force: true });
    }
  }
}
