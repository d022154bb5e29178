import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readdirSync, readFileSync, readlinkSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { createImgkit, type Imgkit } from '@imgkit/core';
import { qemu, qemuStore } from '@imgkit/qemu';
import type { Job, Line } from '../bake-program.fixture.ts';
import { leftoversOf } from './leftovers.ts';

const program = fileURLToPath(new URL('../bake-program.fixture.ts', import.meta.url));
const killPoints = new URL('../bake-kill-points.fixture.ts', import.meta.url).href;

/** How a program is run. */
export interface ProgramOptions {
  /** Variables of its environment, beside ours. */
  readonly env?: Readonly<Record<string, string>>;
  /** Kill it at the next thing it writes down that is not yet listed in this file. */
  readonly killPoints?: string;
}

/** How it ended. */
export interface Ended {
  readonly killed: boolean;
  readonly lines: readonly Line[];
  readonly result: Extract<Line, { tells: 'result' }> | undefined;
  readonly error: Extract<Line, { tells: 'error' }> | undefined;
}

/** A program at work, in a process group of its own, as a shell would run it. */
export class Program {
  readonly lines: Line[] = [];
  readonly ended: Promise<Ended>;
  readonly #child;
  #news = Promise.withResolvers<void>();
  #over = false;

  constructor(job: Job, options: ProgramOptions = {}) {
    const flags = ['--no-warnings', '--experimental-strip-types', '--conditions=@imgkit/source'];
    const preload = options.killPoints === undefined ? [] : [`--import=${killPoints}`];
    this.#child = spawn(process.execPath, [...flags, ...preload, program, JSON.stringify(job)], {
      detached: true,
      stdio: ['ignore', 'pipe', 'pipe'],
      env: {
        ...process.env,
        KILL_POINTS: options.killPoints,
        NODE_COMPILE_CACHE: join(job.directory, 'compile-cache'),
        ...options.env,
      },
    });
    this.ended = this.#watch();
    this.ended.catch(() => undefined);
  }

  /** Resolves with the first line that passes; with nothing when it ends without. */
  async until(passes: (line: Line) => boolean): Promise<Line | undefined> {
    for (;;) {
      const line = this.lines.find(passes);
      if (line !== undefined || this.#over) return line;
      await this.#news.promise;
    }
  }

  kill(): void {
    this.#child.kill('SIGKILL');
  }

  /** What a terminal sends for Ctrl-C: to the whole process group. */
  interrupt(): void {
    if (this.#child.pid !== undefined && !this.#over) process.kill(-this.#child.pid, 'SIGINT');
  }

  async #watch(): Promise<Ended> {
    let errors = '';
    this.#child.stderr.on('data', (chunk: Buffer) => (errors += chunk.toString()));
    const closed = once(this.#child, 'close');
    for await (const text of createInterface(this.#child.stdout)) {
      const line: Line = JSON.parse(text);
      this.lines.push(line);
      this.#wake();
    }
    const [code, signal]: unknown[] = await closed;
    this.#over = true;
    this.#wake();
    const { lines } = this;
    const result = lines.find((line) => line.tells === 'result');
    const error = lines.find((line) => line.tells === 'error');
    const killed = signal === 'SIGKILL';
    if (!killed && result === undefined && error === undefined)
      throw new Error(`the program ended with ${String(code ?? signal)}: ${errors}`);
    return { killed, lines, result, error };
  }

  #wake(): void {
    this.#news.resolve();
    this.#news = Promise.withResolvers();
  }
}

/** A store with the tiny base as family `base`, and the state of those who bake there. */
export class BakeWorld implements AsyncDisposable {
  readonly directory: string;
  readonly #programs: Program[] = [];

  private constructor(directory: string) {
    this.directory = directory;
  }

  /** @param parent - A directory with a short path. */
  static async open(parent: string, baseFile: string): Promise<BakeWorld> {
    const world = new BakeWorld(mkdtempSync(join(parent, 'b-')));
    // Leaves the compiled modules to those that are killed before they could.
    await world.bake({ name: 'No name', provision: [] });
    await world.use((kit) =>
      kit.providers.get('qemu').images.create({
        name: 'base-1',
        source: { kind: 'file', file: baseFile },
        family: 'base',
        idempotencyKey: 'base-1',
      }),
    );
    return world;
  }

  get store(): string {
    return join(this.directory, 'store');
  }

  get state(): string {
    return join(this.directory, 'state');
  }

  /** A program on this world. */
  start(job: Omit<Job, 'directory'>, options?: ProgramOptions): Program {
    const started = new Program({ ...job, directory: this.directory }, options);
    this.#programs.push(started);
    return started;
  }

  /** Runs a program to its end. */
  async bake(job: Omit<Job, 'directory'>, options?: ProgramOptions): Promise<Ended> {
    return this.start(job, options).ended;
  }

  /** Opens a kit on this world for a moment. */
  async use<T>(work: (kit: Imgkit) => PromiseLike<T>): Promise<T> {
    await using kit = await createImgkit({
      providers: [qemu({ directory: this.store })],
      stateDirectory: this.state,
    });
    return await work(kit);
  }

  /** The images beside the base: `name: published deprecation`. */
  images(): Promise<readonly string[]> {
    return this.use(async (kit) => {
      const all: string[] = [];
      for await (const image of kit.images.list('qemu'))
        if (image.name !== 'base-1')
          all.push(
            `${image.name}: ${image.published ? 'published' : 'staged'} ${image.deprecation.state}`,
          );
      return all.toSorted();
    });
  }

  /** Copies an image's disk, as a machine would see it, to a file, and gives its path. */
  rawDisk(name: string): Promise<string> {
    const to = join(this.directory, `${name}.raw`);
    return this.use(async (kit) => {
      const image = await kit.images.find('qemu', { name });
      if (image === undefined) throw new Error(`there is no image ${name}`);
      await kit.providers.get('qemu').transfer?.export({ image: image.ref.id, to, format: 'raw' });
      return to;
    });
  }

  /** What is there: files, and all that the journal has, so that two moments can be compared. */
  async snapshot(): Promise<unknown> {
    const files = readdirSync(this.directory, { recursive: true, encoding: 'utf8' }).filter(
      (name) => !/compile-cache|(?:-wal|-shm|\.lock)$/u.test(name),
    );
    const runs: string[] = [];
    const ledger: string[] = [];
    await this.use(async (kit) => {
      for await (const { id, state } of kit.runs.list({ children: true }))
        runs.push(`${id} ${state}`);
      for await (const { token, state } of kit.runs.ledger()) ledger.push(`${token} ${state}`);
    });
    return { files: files.toSorted(), runs, ledger };
  }

  /** All that should not be there when nothing is at work: empty when all is well. */
  async leftovers(): Promise<readonly string[]> {
    const { store } = this;
    const left = machinesBelow(this.directory).map(({ pid }) => `process ${pid}`);
    for (const name of ['instances', 'disks', 'tmp'])
      left.push(...list(join(store, name)).map((entry) => `store/${name}/${entry}`));
    for (const name of list(join(store, 'warm')))
      if (!/^[\da-f]{64}$/u.test(name)) left.push(`store/warm/${name}`);
    left.push(...list(join(this.state, 'bake-keys')).map((name) => `state/bake-keys/${name}`));
    await this.use(async (kit) => {
      const provider = kit.providers.get('qemu');
      left.push(...(await leftoversOf(kit, provider)));
      const local = qemuStore(provider);
      for (const { path, reason } of await local.collectGarbage({ dryRun: true }))
        left.push(`garbage: ${path}: ${reason}`);
      for await (const problem of local.verify()) left.push(`damage: ${JSON.stringify(problem)}`);
    });
    return left;
  }

  /** Ends what is still at work here; throws when a machine was left running. */
  async stopAll(): Promise<void> {
    for (const one of this.#programs) one.kill();
    await Promise.allSettled(this.#programs.map(({ ended }) => ended));
    const machines = machinesBelow(this.directory);
    for (const { pid } of machines) process.kill(pid, 'SIGKILL');
    if (machines.length > 0)
      throw new Error(`left running: ${machines.map(({ command }) => command).join('\n')}`);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    try {
      await this.stopAll();
    } finally {
      rmSync(this.directory, { recursive: true, force: true });
    }
  }
}

/** The processes that run QEMU or a tool of it in a directory, or on a file there. */
export function machinesBelow(
  directory: string,
): readonly { readonly pid: number; readonly command: string }[] {
  const found = [];
  for (const name of readdirSync('/proc')) {
    const pid = Number(name);
    if (!Number.isInteger(pid) || pid === process.pid) continue;
    try {
      const command = readFileSync(`/proc/${name}/cmdline`, 'utf8').replaceAll('\0', ' ').trim();
      const inside =
        command.includes(`${directory}/`) ||
        readlinkSync(`/proc/${name}/cwd`).startsWith(directory);
      if (inside && /qemu|\bcat\b/u.test(command.split(' ')[0] ?? '')) found.push({ pid, command });
    } catch {
      // It has ended meanwhile.
    }
  }
  return found;
}

function list(directory: string): readonly string[] {
  try {
    return readdirSync(directory);
  } catch {
    return [];
  }
}
