import assert from 'node:assert/strict';
import { createImgkit, ImgkitError, type Clock, type Imgkit } from '@imgkit/core';
import { startGceEmulator, type GceEmulator, type GceEmulatorOptions } from '@imgkit/emulators';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';

import type { GceOptions } from '../src/options.ts';
import { gce } from '../src/plugin.ts';

/** The project of the tests, and where its machines are. */
export const project = 'imgkit-test';
export const zone = 'us-central1-a';
/** A role that lets machine images be used. */
export const restorer = `projects/${project}/roles/restorer`;
/** The image that machines boot from. */
export const base = { provider: 'gce', id: `projects/${project}/global/images/base-1` };

/** An emulated Compute Engine, and providers that work on it. */
export class MachineCloud implements AsyncDisposable {
  readonly emulator: GceEmulator;
  /** How far the time of both sides is ahead of this machine's, in milliseconds. */
  readonly #time: { aheadMs: number };
  readonly #directory: string;
  readonly #kits: Imgkit[] = [];

  private constructor(emulator: GceEmulator, time: { aheadMs: number }, directory: string) {
    this.emulator = emulator;
    this.#time = time;
    this.#directory = directory;
  }

  static async start(operationMs: GceEmulatorOptions['operationMs'] = 5): Promise<MachineCloud> {
    const time = { aheadMs: 0 };
    const emulator = await startGceEmulator({
      projects: [{ id: project }, { id: 'imgkit-guest' }],
      roles: { [restorer]: ['compute.machineImages.get', 'compute.machineImages.useReadOnly'] },
      operationMs,
      clock: {
        now: () => Date.now() + time.aheadMs,
        after(ms, callback) {
          const timer = setTimeout(() => void callback(), ms).unref();
          return () => clearTimeout(timer);
        },
      },
    });
    emulator.project(project).addImage({ name: 'base-1', diskSizeGb: 1 });
    const directory = await mkdtemp(join(tmpdir(), 'imgkit-gce-'));
    return new MachineCloud(emulator, time, directory);
  }

  /** A provider, as a process of its own would have it. */
  async provider(options: Partial<GceOptions> = {}) {
    const kit = await createImgkit({
      stateDirectory: join(this.#directory, String(this.#kits.length)),
      clock: this.#clock(),
      providers: [gce({ endpoint: this.emulator.endpoint, project, zone, ...options })],
    });
    this.#kits.push(kit);
    const provider = kit.providers.get('gce');
    const { instances, disks, snapshots, machineImages } = provider;
    if (!instances || !disks || !snapshots || !machineImages) throw new Error('a part is missing');
    return { provider, instances, disks, snapshots, machineImages };
  }

  /** The time on both sides, in milliseconds since 1970. */
  now(): number {
    return Date.now() + this.#time.aheadMs;
  }

  /** Lets time pass on both sides. */
  later(ms: number): void {
    this.#time.aheadMs += ms;
  }

  /** The requests of one method, as they were got. */
  requests(rpc: string) {
    return this.emulator.requests.filter((request) => request.rpc === rpc);
  }

  /** The body of the last request of one method. */
  lastBody(rpc: string): unknown {
    return this.requests(rpc).at(-1)?.body;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const kit of this.#kits) await kit[Symbol.asyncDispose]();
    await this.emulator.close();
    await rm(this.#directory, { recursive: true, force: true });
    assert.deepEqual(this.emulator.violations, []);
  }

  /** A clock on which whoever sleeps long wakes up at once, later. */
  #clock(): Clock {
    const time = this.#time;
    return {
      now: () => Date.now() + time.aheadMs,
      async sleep(ms, signal) {
        signal?.throwIfAborted();
        if (ms < 60_000) return delay(Math.min(ms, 5), undefined, { signal });
        time.aheadMs += ms;
        return undefined;
      },
    };
  }
}

/** The error that a call is refused with. */
export async function refusal(call: PromiseLike<unknown>): Promise<ImgkitError> {
  const error = await Promise.resolve(call).then(
    (result) => new Error(`it was not refused: ${JSON.stringify(result)}`),
    (reason: unknown) => reason,
  );
  if (ImgkitError.is(error)) return error;
  throw error;
}

/** Reads a listing to its end. */
export async function collect<T>(items: AsyncIterable<T>): Promise<T[]> {
  const all: T[] = [];
  for await (const item of items) all.push(item);
  return all;
}
