import {
  ImgkitError,
  type CallOptions,
  type CreateMachineImageRequest,
  type Instance,
  type Labels,
  type MachineImage,
  type MachineImages,
  type MachineImagesTraits,
  type Operation,
  type RestoreRequest,
} from '@imgkit/core';

import { z } from 'zod';

import type { MachineImageDocument } from './mapping.ts';
import { deleteOwn, getOwn, getReady, listOwn } from './resources/access.ts';
import type { LocalContext } from './resources/context.ts';
import { create, resumeCreation, type Made } from './resources/creation.ts';
import { machineImageKind } from './resources/kinds.ts';
import type { Capture, Machines } from './resources/machines.ts';
import { checkTexts } from './resources/rules.ts';
import type { StagedBlob, StageOptions } from './store/blob-store.ts';
import type { LocalStore } from './store/local-store.ts';

const consistencies = ['crash', 'application'] as const;

/** Backups of whole machines: a blob for each disk, and the configuration in the catalog. */
export class QemuMachineImages implements MachineImages {
  readonly traits: MachineImagesTraits = {
    disks: 'all',
    applicationConsistency: true,
    minIntervalMs: 0,
  };
  readonly #context: LocalContext;
  readonly #machines: Machines;

  constructor(context: LocalContext, machines: Machines) {
    this.#context = context;
    this.#machines = machines;
    const creation = { operation: 'machineImages.create', kind: machineImageKind };
    resumeCreation(
      context,
      creation,
      ({ request }) => request,
      (request, again) => this.create(request, again),
    );
  }

  async get(id: string, options?: CallOptions): Promise<MachineImage> {
    return this.#context.call('machineImages.get', id, options, (store) =>
      machineImageKind.show(this.#context, getOwn(this.#context, store, machineImageKind, id)),
    );
  }

  list(
    filter?: {
      readonly name?: string | undefined;
      readonly instance?: string | undefined;
      readonly labels?: Labels | undefined;
    },
    options?: CallOptions,
  ): AsyncIterable<MachineImage> {
    return listOwn(this.#context, machineImageKind, filter, options, ({ instance }) =>
      filter?.instance === undefined ? true : filter.instance === instance,
    );
  }

  create(request: CreateMachineImageRequest, options?: CallOptions): Operation<MachineImage> {
    const { instance, labels = {}, description, consistency = 'crash' } = request;
    return create<MachineImageDocument, MachineImage, undefined>(
      this.#context,
      {
        operation: 'machineImages.create',
        kind: machineImageKind,
        request,
        check() {
          checkTexts({ description });
          if (!consistencies.includes(consistency))
            throw new ImgkitError('UNSUPPORTED', `there is no consistency "${consistency}"`, {
              hint: `Use one of ${consistencies.join(', ')}.`,
            });
        },
        prepare: () => undefined,
        draft: () => ({
          labels: { ...labels },
          description,
          instance,
          machineType: '',
          disks: [],
          configuration: null,
          request,
        }),
        make: async (store, _nothing, { doc }, { signal, progress }) => {
          const whenRunning = consistency === 'application' ? 'freeze' : 'now';
          await using capture = await this.#machines.capture(instance, {
            disks: 'all',
            whenRunning,
            signal,
          });
          const onProgress = (fraction: number): void => progress('copying the disks', fraction);
          return await takeMachine(store, doc, capture, { signal, onProgress });
        },
      },
      options,
    );
  }

  delete(id: string, options?: CallOptions): Operation<void> {
    return deleteOwn(this.#context, 'machineImages.delete', machineImageKind, id, options);
  }

  restore(request: RestoreRequest, options?: CallOptions): Operation<Instance> {
    const { machineImage, ...rest } = request;
    const context = this.#context;
    return context.operation(
      'machineImages.restore',
      machineImage,
      options,
      async (store, control) => {
        const { doc } = getReady(context, store, machineImageKind, machineImage);
        const { signal, progress, accepted } = control;
        const restoring = this.#machines.restore(rest, doc.disks, doc.configuration, { signal });
        // The machine's own launch is what can be resumed.
        void restoring.token().then(accepted, () => undefined);
        for await (const { message, fraction } of restoring) progress(message, fraction);
        return restoring;
      },
    );
  }
}

async function takeMachine(
  store: LocalStore,
  draft: MachineImageDocument,
  capture: Capture,
  { signal, onProgress }: StageOptions,
): Promise<Made<MachineImageDocument>> {
  const staged: StagedBlob[] = [];
  const disks: MachineImageDocument['disks'] = [];
  const { length } = capture.disks;
  try {
    for (const [index, { path, boot, image, sizeBytes }] of capture.disks.entries()) {
      const report = (fraction: number): void => onProgress?.((index + fraction) / length);
      const options = { signal, onProgress: report, format: 'qcow2' } as const;
      const blob = await store.blobs.stageDisk(path, options);
      staged.push(blob);
      disks.push({ boot, sizeBytes, digest: blob.digest, image });
    }
  } catch (error) {
    await store.blobs.discard(staged);
    throw error;
  }
  const { machineType, instance } = capture;
  const doc = {
    ...draft,
    instance,
    machineType,
    disks,
    configuration: z.json().parse(capture.configuration),
    request: undefined,
  };
  return { doc, staged, digests: disks.map(({ digest }) => digest) };
}
