import { mkdtemp, rm } from 'node:fs/promises';
import { join } from 'node:path';
import {
  createImgkit,
  ImgkitError,
  type Image,
  type Imgkit,
  type Plugin,
  type Provider,
} from '@imgkit/core';
import type { Faults, LoggedRequest, Violation } from '@imgkit/emulators';
import { qemu } from '@imgkit/qemu';
import type { Job } from '../bake-program.fixture.ts';
import { machinesBelow, Program, type Ended } from './bake-world.ts';
import { leftoversOf } from './leftovers.ts';

/** What machines of a world can boot from. */
export interface BaseOfWorld {
  /** The path of a disk file that QEMU reads. */
  readonly file: string;
  readonly name: string;
  readonly family: string;
  /** The project of its own that has it, for everyone; that of the programs by default. Only Google's worlds know it. */
  readonly project?: string;
}

/** An emulated cloud, as far as it is the same for all. */
export interface EmulatedCloud {
  readonly endpoint: string;
  readonly requests: readonly LoggedRequest[];
  readonly violations: readonly Violation[];
  readonly faults: Faults;
  close(): Promise<void>;
}

/** What makes a world that of one cloud. */
export interface WorldParts<E extends EmulatedCloud> {
  readonly directory: string;
  readonly emulator: E;
  readonly machines: Imgkit;
  /** The name of the provider. */
  readonly provider: string;
  readonly plugin: () => Plugin;
  /** Tells a program where to bake. */
  readonly place: Pick<Job, 'computeEngine' | 'azure'>;
  /** The name of the base image. */
  readonly base: string;
}

/** An emulated cloud whose machines are real with something to boot from, and those who bake there. */
export class CloudBakeWorld<E extends EmulatedCloud = EmulatedCloud> implements AsyncDisposable {
  readonly directory: string;
  readonly emulator: E;
  readonly #parts: WorldParts<E>;
  readonly #programs: Program[] = [];

  constructor(parts: WorldParts<E>) {
    this.directory = parts.directory;
    this.emulator = parts.emulator;
    this.#parts = parts;
  }

  get state(): string {
    return join(this.directory, 'state');
  }

  /** A program that bakes in this world. */
  start(job: Omit<Job, 'directory' | 'computeEngine' | 'azure'>): Program {
    const { directory } = this;
    const started = new Program({ ...job, directory, ...this.#parts.place });
    this.#programs.push(started);
    return started;
  }

  /** Runs a program to its end. */
  bake(job: Omit<Job, 'directory' | 'computeEngine' | 'azure'>): Promise<Ended> {
    return this.start(job).ended;
  }

  /** Opens a kit on this world for a moment. */
  async use<T>(work: (kit: Imgkit, provider: Provider) => PromiseLike<T>): Promise<T> {
    await using kit = await createImgkit({
      providers: [this.#parts.plugin()],
      stateDirectory: this.state,
    });
    return await work(kit, kit.providers.get(this.#parts.provider));
  }

  /** The images beside the base. */
  images(): Promise<readonly Image[]> {
    return this.use(async (kit) => {
      const all: Image[] = [];
      for await (const image of kit.images.list(this.#parts.provider))
        if (image.name !== this.#parts.base) all.push(image);
      return all.toSorted((a, b) => a.name.localeCompare(b.name));
    });
  }

  /** The requests that changed something and succeeded, of one method of the API. */
  done(rpc: string): readonly LoggedRequest[] {
    return this.emulator.requests.filter(
      ({ rpc: method, status = 0 }) => method === rpc && status >= 200 && status < 300,
    );
  }

  /** All that should not be there when nothing is at work, at the cloud and behind it: empty when all is well. */
  leftovers(): Promise<readonly string[]> {
    return this.use(async (kit, provider) => {
      const left = await leftoversOf(kit, provider);
      const behind = this.#parts.machines.providers.get('qemu');
      for await (const { id } of behind.instances?.list() ?? []) left.push(`machine ${id}`);
      for await (const { id } of behind.disks?.list() ?? []) left.push(`its disk ${id}`);
      left.push(...machinesBelow(this.directory).map(({ pid }) => `process ${pid}`));
      return left;
    });
  }

  /** Ends the programs that are still at work. */
  async stopAll(): Promise<void> {
    for (const one of this.#programs) one.kill();
    await Promise.allSettled(this.#programs.map(({ ended }) => ended));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    try {
      await this.stopAll();
      await this.emulator.close();
      await this.#parts.machines[Symbol.asyncDispose]();
    } finally {
      await rm(this.directory, { recursive: true, force: true });
    }
  }
}

/**
 * Opens a world on real machines of this computer.
 *
 * @param parent - A directory with a short path.
 * @param start - Starts the cloud on them.
 * @returns The world, or why there can't be one on this computer.
 */
export async function openWorld<E extends EmulatedCloud>(
  parent: string,
  start: (
    machines: Provider,
    directory: string,
  ) => Promise<Omit<WorldParts<E>, 'directory' | 'machines'>>,
): Promise<CloudBakeWorld<E> | string> {
  const directory = await mkdtemp(join(parent, 'g-'));
  const machines = await createImgkit({
    stateDirectory: join(directory, 'machines-state'),
    providers: [qemu({ directory: join(directory, 'store') })],
  });
  try {
    const parts = await start(machines.providers.get('qemu'), directory);
    return new CloudBakeWorld({ ...parts, directory, machines });
  } catch (error) {
    await machines[Symbol.asyncDispose]();
    await rm(directory, { recursive: true, force: true });
    if (!ImgkitError.is(error, 'FAILED_PRECONDITION')) throw error;
    return `${error.message}. ${error.hint ?? ''}`;
  }
}
