import { availableParallelism } from 'node:os';
import { join } from 'node:path';

import { throwIfAborted } from '@imgkit/core';

import {
  decideAccelerator,
  qemuVersion,
  type Accelerator,
  type AcceleratorDecision,
} from './accelerator.ts';
import type { MachineCallOptions } from './machine.ts';

/** What machines run on. */
export interface MachineHostOptions {
  /** The QEMU to run: a name in the PATH, or a path. */
  readonly binary?: string | undefined;
  /** Uses this accelerator, without finding out which one works. */
  readonly accelerator?: Accelerator | undefined;
  /** The Linux kernel with which KVM is tried; the host's own by default. */
  readonly probeKernel?: string | undefined;
  /** Where answers are kept: the root of the store. */
  readonly directory: string;
}

/** This computer, as far as machines need to know it: asked once, when the first machine is wanted. */
export class MachineHost {
  readonly binary: string;
  readonly #options: MachineHostOptions;
  #version: Promise<string> | undefined;
  #accelerator: Promise<AcceleratorDecision> | undefined;

  constructor(options: MachineHostOptions) {
    this.binary = options.binary ?? 'qemu-system-x86_64';
    this.#options = options;
  }

  /**
   * The version of QEMU.
   *
   * @throws `FAILED_PRECONDITION` when there is none, with how to install it.
   */
  async version(): Promise<string> {
    this.#version ??= qemuVersion(this.binary);
    try {
      return await this.#version;
    } catch (error) {
      this.#version = undefined;
      throw error;
    }
  }

  /** The accelerator that works here, and why. */
  async accelerator(options: MachineCallOptions = {}): Promise<AcceleratorDecision> {
    const { accelerator: override, directory, probeKernel: kernel } = this.#options;
    const cacheFile = join(directory, 'accelerators.json');
    // Without the signal: what one caller gives up, others may be waiting for.
    this.#accelerator ??= decideAccelerator({ binary: this.binary, cacheFile, override, kernel });
    try {
      return await this.#accelerator;
    } catch (error) {
      this.#accelerator = undefined;
      throwIfAborted(options.signal, 'choosing the accelerator');
      throw error;
    }
  }
}

/** The processors and memory a machine gets. */
export interface MachineSize {
  readonly cpus: number;
  readonly memoryMiB: number;
}

/** What a machine gets when nothing else is asked for. */
export function defaultSize(): MachineSize {
  return { cpus: Math.min(2, availableParallelism()), memoryMiB: 1024 };
}

/** The name of a size, in the form in which a launch takes it too: `custom-2-1024`. */
export function sizeName({ cpus, memoryMiB }: MachineSize): string {
  return `custom-${cpus}-${memoryMiB}`;
}
