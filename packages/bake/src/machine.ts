import { ImgkitError, type Endpoint, type Instances } from '@imgkit/core';
import { setTimeout as delay } from 'node:timers/promises';
import type { Communicator } from './communicator/communicator.ts';
import { connectSsh } from './communicator/ssh.ts';
import { goDown, toolFunction } from './guest/power.ts';
import type { Machine } from './provisioner.ts';
import { sealScript, type SealOptions } from './seal.ts';

/** What is needed to reach a guest. */
export interface ConnectRequest {
  /** The name of the provider. */
  readonly provider: string;
  /** The id of the instance. */
  readonly instance: string;
  /** Where its SSH server is reached. */
  readonly endpoint: Endpoint;
  readonly user: string;
  /** A secret. */
  readonly privateKey: string;
  /** The keys its SSH server must have one of; none when nobody can tell. */
  readonly hostKeys: readonly string[];
  /** Whether its SSH server is known to listen already. */
  readonly listening: boolean;
  readonly timeoutMs: number;
  readonly signal: AbortSignal;
}

/** Reaches a guest: {@link connectSsh} unless told otherwise. */
export type Connect = (request: ConnectRequest) => Promise<Communicator>;

/** {@link Connect} over SSH. */
export const connectOverSsh: Connect = ({ endpoint: { host, port }, ...request }) =>
  connectSsh({ ...request, host, port });

/** How one machine is reached, and for how long it is tried. */
export interface MachineOptions {
  readonly provider: string;
  readonly instances: Instances;
  readonly instance: string;
  readonly connect: Connect;
  readonly user: string;
  /** Gives the private key to log in with, and the public host key that was given to it, if one was. Asked when a connection is made. */
  readonly keys: () => Promise<{
    readonly privateKey: string;
    readonly hostKey: string | undefined;
  }>;
  readonly bootTimeoutMs: number;
  /** Whether it was resumed, so that it needn't boot. */
  readonly resumed: boolean;
  /** How often to look whether it still runs, while it doesn't answer, in milliseconds. Default: 3000. */
  readonly watchMs?: number | undefined;
  readonly signal: AbortSignal;
}

/** How long an orderly power-off may take before the plug is pulled. */
const powerOffMs = 120_000;

/** A {@link Machine} at a provider. Its connection is made when it is first needed, and made anew when it was lost. */
export class ProviderMachine implements Machine, AsyncDisposable {
  readonly provider: string;
  readonly instance: string;
  readonly #options: MachineOptions;
  #guest: Promise<Communicator> | undefined;
  #listening: boolean;

  constructor(options: MachineOptions) {
    this.provider = options.provider;
    this.instance = options.instance;
    this.#options = options;
    this.#listening = options.resumed;
  }

  async guest(timeoutMs = this.#options.bootTimeoutMs): Promise<Communicator> {
    const known = await this.#guest?.catch(() => undefined);
    if (known?.connected === true) return known;
    this.#guest = this.#connect(timeoutMs);
    return this.#guest;
  }

  async bootId(timeoutMs?: number): Promise<string> {
    const guest = await this.guest(timeoutMs);
    const { exitCode, stdout } = await guest.exec('cat /proc/sys/kernel/random/boot_id', {
      signal: this.#options.signal,
    });
    const [id] = /[0-9a-f-]{36}/u.exec(stdout) ?? [];
    if (exitCode === 0 && id !== undefined) return id;
    throw new ImgkitError('PROTOCOL', `${guest.peer} doesn't tell its boot id`, {
      provider: this.provider,
      resource: this.instance,
    });
  }

  async restart({
    since,
    timeoutMs,
  }: {
    readonly since: string;
    readonly timeoutMs: number;
  }): Promise<void> {
    const { instances, signal } = this.#options;
    const deadline = performance.now() + timeoutMs;
    const left = () => Math.max(1, Math.round(deadline - performance.now()));
    let { status } = await instances.get(this.instance, { signal });
    if (status !== 'STOPPED') {
      try {
        if ((await this.bootId(left())) !== since) return;
        await this.#goDown(instances.traits.fastRestart ? 'poweroff' : 'reboot');
      } catch (error) {
        // A process that is no more may have told it to go down, and so it did while we asked.
        ({ status } = await instances.get(this.instance, { signal }));
        if (status !== 'STOPPED') throw error;
      }
    }
    if (status === 'STOPPED' || instances.traits.fastRestart) {
      await instances.stop(this.instance, { signal, graceMs: Math.min(left(), powerOffMs) });
      await instances.start(this.instance, { signal });
    }
    // Where the guest reboots by itself it can be reached for a while yet: only another boot id counts.
    while ((await this.#bootIdIfReachable(left())) === since)
      await delay(250, undefined, { signal });
    if (performance.now() > deadline)
      throw new ImgkitError(
        'OPERATION_FAILED',
        `${this.instance} did not come back within ${Math.round(timeoutMs / 1000)} s`,
        {
          provider: this.provider,
          operation: 'reboot',
          resource: this.instance,
        },
      );
  }

  /**
   * Seals the guest and powers it off; it is STOPPED then. A guest that was already told so goes on by itself, whatever becomes of us: the key we came with
   * is gone by then, so that all that is left to do is to wait.
   *
   * @param warn - Gets what the guest could not do.
   */
  async sealAndStop(
    publicKey: string,
    seal: SealOptions | false,
    begun: boolean,
    warn: (message: string) => void,
  ): Promise<void> {
    const { instances, signal } = this.#options;
    const { status } = await instances.get(this.instance, { signal });
    if (status !== 'STOPPED') {
      const guest = await this.guest(begun ? 10_000 : undefined).catch((error: unknown) => {
        if (begun && !signal.aborted) return undefined;
        throw error;
      });
      if (guest !== undefined)
        await this.#seal(guest, sealScript(publicKey, seal, instances.traits.sealScript), warn);
      await this.disconnect();
    }
    await instances.stop(this.instance, { signal, graceMs: powerOffMs });
  }

  async #seal(guest: Communicator, script: string, warn: (message: string) => void): Promise<void> {
    const chunks: Buffer[] = [];
    let failure: unknown;
    try {
      const { exitCode, stderr } = await guest.exec('sh -s', {
        stdin: script,
        asRoot: true,
        signal: this.#options.signal,
        onStdout: (bytes) => chunks.push(bytes),
      });
      if (exitCode !== 0) failure = new Error(stderr);
    } catch (error) {
      // The power-off may be quicker than the answer.
      failure = error;
    }
    const lines = Buffer.concat(chunks).toString().split('\n');
    for (const line of lines)
      if (line.startsWith('imgkit-warning ')) warn(line.slice('imgkit-warning '.length));
    if (lines.includes('imgkit-sealed')) return;
    if (ImgkitError.is(failure)) throw failure;
    throw new ImgkitError('OPERATION_FAILED', `${guest.peer} could not be sealed`, {
      provider: this.provider,
      operation: 'seal',
      resource: this.instance,
      cause: failure,
    });
  }

  async disconnect(): Promise<void> {
    const guest = await this.#guest?.catch(() => undefined);
    this.#guest = undefined;
    await guest?.[Symbol.asyncDispose]();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.disconnect();
  }

  async #connect(timeoutMs: number): Promise<Communicator> {
    const { connect, instances, user, keys } = this.#options;
    const { privateKey, hostKey } = await keys();
    const endpoint = await instances.endpoint(this.instance, 22, { signal: this.#options.signal });
    const hostKeys = hostKey === undefined ? endpoint.hostKeys : [hostKey, ...endpoint.hostKeys];
    const { provider, instance } = this;
    const gone = new AbortController();
    const signal = AbortSignal.any([this.#options.signal, gone.signal]);
    const watching = this.#watch(gone);
    try {
      const guest = await connect({
        provider,
        instance,
        endpoint,
        user,
        privateKey,
        hostKeys,
        listening: this.#listening,
        timeoutMs,
        signal,
      });
      this.#listening = true;
      return guest;
    } catch (error) {
      throw gone.signal.aborted ? gone.signal.reason : error;
    } finally {
      clearInterval(watching);
    }
  }

  /** Looks whether there still is a machine to wait for: one that has stopped never answers. */
  #watch(gone: AbortController): NodeJS.Timeout {
    const { instances, signal } = this.#options;
    const look = async () => {
      // What can't be asked now is asked again.
      const machine = await instances.get(this.instance, { signal }).catch(() => undefined);
      if (machine === undefined || ['RUNNING', 'PENDING'].includes(machine.status)) return;
      const why = machine.reason === undefined ? '' : `: ${machine.reason}`;
      const message = `the machine is ${machine.status} instead of answering${why}`;
      const details = { provider: this.provider, operation: 'connect', resource: this.instance };
      gone.abort(new ImgkitError('OPERATION_FAILED', message, details));
    };
    return setInterval(() => void look(), this.#options.watchMs ?? 3000);
  }

  /** Tells the guest to go down, and waits until the connection tells that it does. */
  async #goDown(how: 'poweroff' | 'reboot'): Promise<void> {
    const guest = await this.guest();
    this.#listening = false;
    const stdin = `{ trap '' HUP\n${toolFunction}\n${goDown(how)}\nexit 0; }\n`;
    // The answer may be cut off by what was asked for.
    await guest
      .exec('sh -s', { stdin, asRoot: true, signal: this.#options.signal })
      .catch((error: unknown) => {
        if (!ImgkitError.is(error, 'UNAVAILABLE')) throw error;
      });
    if (how === 'reboot')
      await Promise.race([
        guest.disconnected,
        delay(30_000, undefined, { signal: this.#options.signal, ref: false }),
      ]);
    await this.disconnect();
  }

  async #bootIdIfReachable(timeoutMs: number): Promise<string | undefined> {
    try {
      return await this.bootId(timeoutMs);
    } catch (error) {
      // The connection may break while we ask: the guest is still on its way down.
      if (ImgkitError.is(error, 'UNAVAILABLE')) return this.#bootIdIfReachable(timeoutMs);
      throw error;
    }
  }
}
