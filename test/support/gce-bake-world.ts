import { mkdtemp, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { createImgkit, ImgkitError, type Image, type Imgkit, type Provider } from '@imgkit/core';
import { startGceEmulator, type GceEmulator, type LoggedRequest } from '@imgkit/emulators';
import { gce } from '@imgkit/gce';
import { qemu } from '@imgkit/qemu';
import type { Job } from '../bake-program.fixture.ts';
import { machinesBelow, Program, type Ended } from './bake-world.ts';

const project = 'imgkit-test';
const zone = 'us-central1-a';

/** What machines of a world can boot from. */
export interface BaseOfWorld {
  /** The path of a disk file that QEMU reads. */
  readonly file: string;
  readonly name: string;
  readonly family: string;
  /** The project of its own that has it, for everyone; that of the programs by default. */
  readonly project?: string;
}

/** An emulated Compute Engine whose machines are real with something to boot from, and those who bake there. */
export class GceBakeWorld implements AsyncDisposable {
  readonly directory: string;
  readonly emulator: GceEmulator;
  readonly #machines: Imgkit;
  readonly #programs: Program[] = [];

  private constructor(directory: string, emulator: GceEmulator, machines: Imgkit) {
    this.directory = directory;
    this.emulator = emulator;
    this.#machines = machines;
  }

  /**
   * @param parent - A directory with a short path.
   * @returns The world, or why there can't be one on this computer.
   */
  static async open(parent: string, base: BaseOfWorld): Promise<GceBakeWorld | string> {
    const directory = await mkdtemp(join(parent, 'g-'));
    const machines = await createImgkit({
      stateDirectory: join(directory, 'machines-state'),
      providers: [qemu({ directory: join(directory, 'store') })],
    });
    try {
      const { project: owner = project, ...image } = base;
      const projects = [...new Set([project, owner])].map((id) => ({ id }));
      const emulator = await startGceEmulator({
        projects,
        machines: machines.providers.get('qemu'),
      });
      if (owner !== project) emulator.project(owner).makePublic();
      await emulator.project(owner).importImage(image);
      return new GceBakeWorld(directory, emulator, machines);
    } catch (error) {
      await machines[Symbol.asyncDispose]();
      await rm(directory, { recursive: true, force: true });
      if (!ImgkitError.is(error, 'FAILED_PRECONDITION')) throw error;
      return `${error.message}. ${error.hint ?? ''}`;
    }
  }

  get state(): string {
    return join(this.directory, 'state');
  }

  /** A program that bakes in this world. */
  start(job: Omit<Job, 'directory' | 'computeEngine'>): Program {
    const { directory, emulator } = this;
    const started = new Program({ ...job, directory, computeEngine: emulator.endpoint });
    this.#programs.push(started);
    return started;
  }

  /** Runs a program to its end. */
  bake(job: Omit<Job, 'directory' | 'computeEngine'>): Promise<Ended> {
    return this.start(job).ended;
  }

  /** Opens a kit on this world for a moment. */
  async use<T>(work: (kit: Imgkit, provider: Provider) => PromiseLike<T>): Promise<T> {
    await using kit = await createImgkit({
      providers: [gce({ endpoint: this.emulator.endpoint, project, zone })],
      stateDirectory: this.state,
    });
    return await work(kit, kit.providers.get('gce'));
  }

  /** The images beside the base. */
  images(): Promise<readonly Image[]> {
    return this.use(async (kit) => {
      const all: Image[] = [];
      for await (const image of kit.images.list('gce'))
        if (image.name !== 'base-1') all.push(image);
      return all.toSorted((a, b) => a.name.localeCompare(b.name));
    });
  }

  /** The requests that changed something and succeeded, of one method of the API. */
  done(rpc: string): readonly LoggedRequest[] {
    return this.emulator.requests.filter((one) => one.rpc === rpc && one.status === 200);
  }

  /** All that should not be there when nothing is at work, at Google and behind it: empty when all is well. */
  leftovers(): Promise<readonly string[]> {
    return this.use(async (kit, provider) => {
      const left: string[] = [];
      for await (const { id } of provider.instances?.list() ?? []) left.push(id);
      for await (const { id } of provider.disks?.list() ?? []) left.push(id);
      for await (const { id } of provider.snapshots?.list() ?? []) left.push(id);
      for await (const { kind, id, state, step } of kit.engine.ledger())
        if (state !== 'deleted' && state !== 'kept')
          left.push(`ledger: ${step}: ${kind} ${id} ${state}`);
      for await (const { id, state, finishedAt } of kit.runs.list({ children: true }))
        if (finishedAt === undefined) left.push(`run ${id} is ${state}`);
      const { plan } = await kit.runs.sweep();
      for (const { action, resource, reason } of plan)
        if (action === 'remove') left.push(`sweep: ${resource.id}: ${reason}`);
      const behind = this.#machines.providers.get('qemu');
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
      await this.#machines[Symbol.asyncDispose]();
    } finally {
      await rm(this.directory, { recursive: true, force: true });
    }
  }
}
