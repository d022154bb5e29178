import { spawn } from 'node:child_process';
import { open } from 'node:fs/promises';
import { join } from 'node:path';
import { isDeepStrictEqual } from 'node:util';

import { cancelled, ImgkitError, throwIfAborted } from '@imgkit/core';

import { systemCode, toolMissing } from '../errors.ts';
import { commandLine, machineFiles } from './command-line.ts';
import {
  readConfiguration,
  writeConfiguration,
  type MachineConfiguration,
} from './configuration.ts';
import { tail } from './console.ts';
import { requireFree } from './hold.ts';
import { launchFailure } from './launch-failure.ts';
import { findProcess, isMachine } from './process-proof.ts';
import { QmpClient } from './qmp.ts';
import { forwardedPorts, proceed } from './run-state.ts';
import { pollUntil } from './waiting.ts';

/** How a call to a machine is made. */
export interface MachineCallOptions {
  readonly signal?: AbortSignal | undefined;
}

const startTimeoutMs = 30_000;
const resendPowerButtonMs = 4000;

/**
 * A machine in a directory of its own: its configuration, disks, seed, console, and the QEMU
 * process that runs there, which lives on when this program ends. All that is known of it is in
 * the directory, so that any process can find it again.
 */
export class Machine {
  readonly directory: string;
  readonly configuration: MachineConfiguration;

  private constructor(directory: string, configuration: MachineConfiguration) {
    this.directory = directory;
    this.configuration = configuration;
  }

  /** Finds the machine in `directory`; `undefined` when its configuration was never written. */
  static async find(directory: string): Promise<Machine | undefined> {
    const configuration = await readConfiguration(directory);
    return configuration && new Machine(directory, configuration);
  }

  /** Whether its process runs. */
  async isRunning(): Promise<boolean> {
    return (await findProcess(this.directory, this.configuration.uuid)) !== undefined;
  }

  /**
   * Starts it, and is done when QEMU answers; the guest then begins to boot. Starting a running
   * machine succeeds.
   *
   * @throws As {@link launchFailure} tells; `CANCELLED`, with no process left.
   */
  async start(options: MachineCallOptions = {}): Promise<void> {
    throwIfAborted(options.signal, 'starting a machine');
    if ((await this.#process()) === undefined) {
      await requireFree(this.directory);
      try {
        await this.#launchWithPorts(options);
      } catch (error) {
        // Somebody else may have been faster: QEMU itself sees to it that only one runs.
        if (!ImgkitError.is(error, 'IN_USE') || !(await this.isRunning())) throw error;
      }
    }
    await using client = await this.connect(options);
    await proceed(client);
    await this.rememberPorts(client);
  }

  /** Speaks with its QEMU. Close it soon: others can't while this one does. */
  async connect(
    options: MachineCallOptions & { readonly timeoutMs?: number } = {},
  ): Promise<QmpClient> {
    const { signal, timeoutMs = 10_000 } = options;
    return await QmpClient.connect(this.directory, machineFiles.qmp, { timeoutMs, signal });
  }

  /**
   * Stops it: presses the power button, again and again for `graceMs` milliseconds, then pulls the
   * plug. Done when the process has ended. Stopping a stopped machine succeeds.
   */
  async stop(options: MachineCallOptions & { readonly graceMs: number }): Promise<void> {
    const pid = await this.#process();
    if (pid === undefined) return;
    const end = performance.now() + options.graceMs;
    while (performance.now() < end) {
      await this.#press('system_powerdown', options.signal);
      const wait = Math.min(resendPowerButtonMs, end - performance.now());
      if (await this.#ended(pid, wait, options.signal)) return;
    }
    await this.#press('quit', options.signal);
    if (await this.#ended(pid, 1500, options.signal)) return;
    if (await isMachine(pid, this.configuration.uuid)) process.kill(pid, 'SIGKILL');
    if (await this.#ended(pid, 10_000, options.signal)) return;
    throw new ImgkitError('OPERATION_FAILED', `process ${pid} of ${this.directory} does not end`, {
      resource: this.directory,
      hint: 'It may hang in the kernel, waiting for its disk: see dmesg.',
    });
  }

  /**
   * The host's loopback port from which the guest's `port` is forwarded; `undefined` when it isn't.
   *
   * @throws `FAILED_PRECONDITION` when the machine doesn't run.
   */
  async port(port: number, options: MachineCallOptions = {}): Promise<number | undefined> {
    const pid = await findProcess(this.directory, this.configuration.uuid);
    if (pid === undefined) {
      throw new ImgkitError(
        'FAILED_PRECONDITION',
        `the machine ${this.configuration.name} does not run`,
        {
          resource: this.directory,
          hint: 'Start it first.',
        },
      );
    }
    const forwards = (await readConfiguration(this.directory))?.forwards ?? [];
    const known = forwards.find(({ guest }) => guest === port)?.host;
    if (known !== 0) return known;
    await using client = await this.connect(options);
    return (await this.rememberPorts(client)).find(({ guest }) => guest === port)?.host;
  }

  /** Asks QEMU which ports the host chose, and keeps them: a machine has the same ones at its next start. */
  async rememberPorts(client: QmpClient): Promise<MachineConfiguration['forwards']> {
    const ports = forwardedPorts(await client.monitor('info usernet'));
    const configuration = (await readConfiguration(this.directory)) ?? this.configuration;
    const forwards = configuration.forwards.map(({ guest, host }) => ({
      guest,
      host: ports[guest] ?? host,
    }));
    if (!isDeepStrictEqual(forwards, configuration.forwards)) {
      await writeConfiguration(this.directory, { ...configuration, forwards });
    }
    return forwards;
  }

  async #process(): Promise<number | undefined> {
    return await findProcess(this.directory, this.configuration.uuid, { thorough: true });
  }

  async #launchWithPorts(options: MachineCallOptions): Promise<void> {
    try {
      await this.#launch(this.configuration, options);
    } catch (error) {
      if (!ImgkitError.is(error, 'UNAVAILABLE')) throw error;
      // A port it had before belongs to somebody else now.
      const forwards = this.configuration.forwards.map(({ guest }) => ({ guest, host: 0 }));
      const configuration = { ...this.configuration, forwards };
      await writeConfiguration(this.directory, configuration);
      await this.#launch(configuration, options);
    }
  }

  async #launch(configuration: MachineConfiguration, options: MachineCallOptions): Promise<void> {
    const { binary } = configuration;
    await using log = await open(join(this.directory, machineFiles.log), 'w', 0o600);
    const child = spawn(binary, commandLine(configuration), {
      cwd: this.directory,
      detached: true,
      stdio: ['ignore', log.fd, log.fd],
      // Nothing of this program's environment, which may hold secrets, goes to the machine.
      env: { PATH: process.env['PATH'], LC_ALL: 'C' },
    });
    const ended = new Promise<Error>((resolve) => {
      child.once('error', (error) =>
        resolve(systemCode(error) === 'ENOENT' ? toolMissing(binary, error) : error),
      );
      child.once('exit', () => {
        void tail(join(this.directory, machineFiles.log), 16_384).then((text) =>
          resolve(launchFailure(binary, text, this.directory)),
        );
      });
    });
    const stop = new AbortController();
    const abort = (): void => stop.abort(options.signal?.reason);
    options.signal?.addEventListener('abort', abort, { once: true });
    if (options.signal?.aborted === true) abort();
    try {
      const answers = this.connect({ signal: stop.signal, timeoutMs: startTimeoutMs });
      const first = await Promise.race([answers, ended]);
      if (first instanceof Error) {
        stop.abort();
        await answers.then(
          (client) => client.close(),
          () => {},
        );
        throw first;
      }
      await first.close();
    } catch (error) {
      if (child.pid !== undefined && child.exitCode === null && child.signalCode === null) {
        child.kill('SIGKILL');
        await ended;
      }
      throw options.signal?.aborted === true
        ? cancelled(options.signal, 'starting a machine')
        : error;
    } finally {
      options.signal?.removeEventListener('abort', abort);
      child.unref();
    }
  }

  // Whether QEMU hears it doesn't matter: what follows looks at the process.
  async #press(
    command: 'system_powerdown' | 'quit',
    signal: AbortSignal | undefined,
  ): Promise<void> {
    try {
      await using client = await this.connect({ signal, timeoutMs: 1000 });
      await client.execute(command, undefined, { signal, timeoutMs: 1000 });
    } catch {
      throwIfAborted(signal, 'stopping a machine');
    }
  }

  async #ended(pid: number, timeoutMs: number, signal: AbortSignal | undefined): Promise<boolean> {
    const { uuid } = this.configuration;
    try {
      await pollUntil(async () => ((await isMachine(pid, uuid)) ? undefined : true), {
        timeoutMs,
        signal,
        everyMs: 25,
        doing: 'stopping a machine',
        onTimeout: () => new ImgkitError('TIMEOUT', 'it still runs'),
      });
      return true;
    } catch (error) {
      if (ImgkitError.is(error, 'TIMEOUT')) return false;
      throw error;
    }
  }
}
