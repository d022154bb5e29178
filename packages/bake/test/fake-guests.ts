import { ImgkitError } from '@imgkit/core';
import type { MemoryGuest, MemoryMachine } from '@imgkit/core/testing';
import type { Communicator, Connect } from '../src/index.ts';

/** What is on a fake guest's disk, and so in the image made from it. */
export interface FakeDisk {
  /** What scripts have done, in order. */
  readonly done: readonly string[];
  /** Whether there are traces of jobs; sealing removes them. */
  readonly jobs: boolean;
  readonly identity: string;
}

/** What a script does; the default is to note itself on the disk. `wait` takes until it is let go. */
export interface FakeScript {
  readonly output?: string;
  readonly exitCode?: number;
  /** Cuts the connection while it runs, this often. */
  readonly cuts?: number;
  readonly wait?: Promise<void>;
  /** Restarts the machine at its end. */
  readonly reboots?: boolean;
}

interface Job {
  readonly output: string;
  readonly end: Promise<number>;
  readonly kill: () => void;
  cuts: number;
}

interface Guest {
  readonly machine: MemoryMachine;
  readonly jobs: Map<string, Job>;
  readonly gone: PromiseWithResolvers<void>;
  up: boolean;
}

/** Guests without machines: they understand what a bake tells them, and do it to the disk of a memory cloud. */
export class FakeGuests {
  readonly #guests = new Map<string, Guest>();
  /** By the first line that differs from `#!`. */
  readonly scripts = new Map<string, FakeScript>();
  /** Every command, in order. */
  readonly log: string[] = [];
  /** Is called before and after each command has its effect. */
  moment: ((when: 'before' | 'after') => void) | undefined;
  /** How many connections were made. */
  connections = 0;
  /** Makes sealing fail. */
  sealFails = false;

  /** For the cloud. */
  readonly factory = (machine: MemoryMachine): MemoryGuest => {
    const guest: Guest = { machine, jobs: new Map(), gone: Promise.withResolvers(), up: true };
    this.#guests.set(machine.id, guest);
    const disk = readDisk(machine.read());
    if (disk.identity === '') machine.write(writeDisk({ ...disk, identity: machine.bootId }));
    machine.print(`guest ${machine.name} is up\n`);
    const end = () => {
      guest.up = false;
      guest.gone.resolve();
    };
    return {
      async shutDown() {
        end();
      },
      ended: end,
    };
  };

  /** What is on the disk of a machine. */
  diskOf(instance: string): Uint8Array {
    return this.#guests.get(instance)?.machine.read() ?? new Uint8Array();
  }

  /** For the bake. */
  readonly connect: Connect = async ({ instance, privateKey, hostKeys, signal }) => {
    signal.throwIfAborted();
    const guest = this.#guests.get(instance);
    if (guest === undefined || !guest.up) throw new ImgkitError('TIMEOUT', `nobody at ${instance}`);
    const { request } = guest.machine;
    if (
      !privateKey.includes('OPENSSH PRIVATE KEY') ||
      !hostKeys.includes(request.hostKey?.publicKey ?? '')
    )
      throw new ImgkitError('UNAUTHENTICATED', `refused by ${instance}`);
    this.connections++;
    return this.#communicator(guest);
  };

  #communicator(guest: Guest): Communicator {
    let cut = false;
    const broken = Promise.withResolvers<void>();
    void guest.gone.promise.then(() => broken.resolve());
    const lost = () =>
      new ImgkitError('UNAVAILABLE', `the connection to ${guest.machine.name} was lost`);
    const uploads = (destination: string) => this.#note(guest, `upload ${destination}`);
    return {
      peer: guest.machine.name,
      get connected() {
        return guest.up && !cut;
      },
      disconnected: broken.promise,
      exec: async (command, options = {}) => {
        options.signal?.throwIfAborted();
        if (!guest.up || cut) throw lost();
        const program = typeof options.stdin === 'string' ? options.stdin : '';
        this.moment?.('before');
        const answer = this.#answer(guest, command, program, () => {
          cut = true;
          broken.resolve();
        });
        this.moment?.('after');
        const stopped = Promise.withResolvers<never>();
        options.signal?.addEventListener(
          'abort',
          () => stopped.reject(new ImgkitError('CANCELLED', 'stopped')),
          { once: true },
        );
        const { stdout, exitCode } = await Promise.race([
          answer,
          broken.promise.then(() => Promise.reject(lost())),
          stopped.promise,
        ]);
        if (options.onStdout === undefined) return { exitCode, stdout, stderr: '' };
        options.onStdout(Buffer.from(stdout));
        return { exitCode, stdout: '', stderr: '' };
      },
      async upload({ destination }) {
        if (!guest.up || cut) throw lost();
        uploads(destination);
      },
      download: () => Promise.reject(new ImgkitError('NOT_FOUND', 'fake guests have no files')),
      async [Symbol.asyncDispose]() {
        cut = true;
        broken.resolve();
      },
    };
  }

  async #answer(
    guest: Guest,
    command: string,
    program: string,
    cut: () => void,
  ): Promise<{ readonly stdout: string; readonly exitCode: number }> {
    const { machine } = guest;
    if (command.includes('boot_id')) return ok(`${machine.bootId}\n`);
    if (command.startsWith('[ ! -e '))
      return { stdout: '', exitCode: readDisk(machine.read()).jobs ? 1 : 0 };
    if (program.includes('imgkit-sealed')) {
      if (this.sealFails) return { stdout: '', exitCode: 3 };
      this.log.push('seal');
      machine.write(writeDisk({ ...readDisk(machine.read()), jobs: false, identity: '' }));
      setImmediate(() => this.#goDown(guest, false));
      return ok('imgkit-sealed\n');
    }
    const down = /tool (poweroff|reboot)/u.exec(program)?.[1];
    if (down !== undefined) {
      this.log.push(down);
      this.#goDown(guest, down === 'reboot');
      return ok();
    }
    const doomed = /kill -TERM[^]*IMGKIT_JOB=([\w-]+)/u.exec(program)?.[1];
    if (doomed !== undefined) {
      guest.jobs.get(doomed)?.kill();
      return ok();
    }
    const token = /imgkit-job (\S+) nowhere/u.exec(program)?.[1];
    if (token !== undefined) return this.#job(guest, token, program, cut);
    this.log.push(program === '' ? command : 'program');
    return ok();
  }

  async #job(guest: Guest, token: string, program: string, cut: () => void) {
    const known = guest.jobs.get(token);
    const job = known ?? this.#start(guest, token, program);
    if (job.cuts > 0) {
      job.cuts--;
      setImmediate(cut);
      await new Promise(() => {});
    }
    const exitCode = await job.end;
    return {
      stdout: `imgkit-job ${token} done ${exitCode} ${Buffer.byteLength(job.output)}\n${job.output}`,
      exitCode: 0,
    };
  }

  #start(guest: Guest, token: string, program: string): Job {
    const script =
      /printf %s '((?:[^']|'\\'')*)' >"\$new\/script"/u
        .exec(program)?.[1]
        ?.replaceAll(String.raw`'\''`, "'") ?? '';
    const name = script.split('\n').find((line) => line !== '' && !line.startsWith('#!')) ?? '';
    const {
      output = `did ${name}\n`,
      exitCode = 0,
      cuts = 0,
      wait,
      reboots = false,
    } = this.scripts.get(name) ?? {};
    const variables = [...program.matchAll(/export ([A-Z_]+)='\\''([^']*)'\\''/gu)].filter(
      ([, key]) => key !== 'IMGKIT_JOB',
    );
    const shown = variables.map(([, key, value]) => `${key}=${value}\n`).join('');
    const killed = Promise.withResolvers<'killed'>();
    const job: Job = {
      output: output.replace('$ENV', shown),
      cuts,
      kill: () => killed.resolve('killed'),
      end: (async () => {
        if ((await Promise.race([wait, killed.promise])) === 'killed') return 143;
        this.#note(guest, name);
        if (reboots) setImmediate(() => this.#goDown(guest, true));
        return exitCode;
      })(),
    };
    guest.jobs.set(token, job);
    return job;
  }

  #note({ machine }: Guest, what: string): void {
    this.log.push(what);
    const disk = readDisk(machine.read());
    machine.write(writeDisk({ ...disk, done: [...disk.done, what], jobs: true }));
  }

  #goDown(guest: Guest, again: boolean): void {
    if (!guest.up) return;
    guest.up = false;
    guest.gone.resolve();
    // A warm reboot: the machine stays on, its software begins anew.
    if (again) void this.factory({ ...guest.machine, bootId: crypto.randomUUID() });
    else guest.machine.powerOff();
  }
}

function ok(stdout = ''): { readonly stdout: string; readonly exitCode: number } {
  return { stdout, exitCode: 0 };
}

export function readDisk(bytes: Uint8Array): FakeDisk {
  const empty: FakeDisk = { done: [], jobs: false, identity: '' };
  const text = Buffer.from(bytes).toString().replaceAll('\0', '');
  return text.startsWith('{') ? { ...empty, ...JSON.parse(text) } : empty;
}

function writeDisk(disk: FakeDisk): Uint8Array {
  return Buffer.from(JSON.stringify(disk));
}
