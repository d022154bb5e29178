import {
  ImgkitError,
  type CallOptions,
  type WarmStarts,
  type WarmStartSubject,
} from '@imgkit/core';

import { guestWaiterScript } from './machine/guest-identity.ts';
import { instanceKind, machineDirectory } from './machine/instance-record.ts';
import { sizeOf } from './machine/launch-plan.ts';
import { Machine } from './machine/machine.ts';
import type { WarmStates } from './machine/warm-states.ts';
import { getReady } from './resources/access.ts';
import type { LocalContext } from './resources/context.ts';
import { usableImage } from './resources/image-access.ts';

/**
 * Machines resumed from their memory instead of booted. What is resumed becomes a machine of its
 * own, with another name, SSH host key and authorized keys, before any port leads to it.
 */
export class QemuWarmStarts implements WarmStarts {
  readonly guestScript = guestWaiterScript;
  readonly #context: LocalContext;
  readonly #states: WarmStates;

  constructor(context: LocalContext, states: WarmStates) {
    this.#context = context;
    this.#states = states;
  }

  async key({ image, machineType }: WarmStartSubject, options?: CallOptions): Promise<string> {
    const context = this.#context;
    return context.call('warmStarts.key', image, options, async (store) => {
      const { digest, diskSizeBytes } = usableImage(context, store, context.ref(image));
      return this.#states.key(digest, diskSizeBytes, sizeOf(machineType), {
        signal: options?.signal,
      });
    });
  }

  async has(key: string, options?: CallOptions): Promise<boolean> {
    return this.#context.call('warmStarts.has', key, options, () =>
      this.#states.has(this.#context, key),
    );
  }

  async save(key: string, instance: string, options?: CallOptions): Promise<void> {
    const context = this.#context;
    return context.call('warmStarts.save', instance, options, async (store) => {
      const record = getReady(context, store, instanceKind, instance);
      const { image, cpus, memoryMiB, disks } = record.doc;
      const machine = await Machine.find(machineDirectory(context, record));
      const boot = disks[0];
      if (machine?.configuration.guestAgent === true) {
        throw new ImgkitError('FAILED_PRECONDITION', `instance "${record.name}" cannot be saved`, {
          resource: instance,
          hint: 'Only a machine that was launched as ephemeral can: others have more devices.',
        });
      }
      const running = machine !== undefined && (await machine.isRunning());
      if (!running || image === undefined || boot === undefined || disks.length > 1) {
        throw new ImgkitError('FAILED_PRECONDITION', `instance "${record.name}" cannot be saved`, {
          resource: instance,
          hint: 'Only a running machine that was launched from an image, with one disk, can.',
        });
      }
      const { digest } = usableImage(context, store, context.ref(image));
      const fitting = await this.#states.key(
        digest,
        boot.sizeBytes,
        { cpus, memoryMiB },
        { signal: options?.signal },
      );
      if (key !== fitting) {
        throw new ImgkitError('INVALID_ARGUMENT', 'the key is not that of this machine', {
          resource: instance,
          hint: 'Ask for the key with the image and the size that the machine was launched with.',
        });
      }
      await this.#states.save(context, store, key, digest, machine, { signal: options?.signal });
    });
  }

  async delete(key: string, options?: CallOptions): Promise<void> {
    return this.#context.call('warmStarts.delete', key, options, (store) =>
      this.#states.delete(this.#context, store, key),
    );
  }
}
