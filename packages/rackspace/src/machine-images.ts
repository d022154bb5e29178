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
import { randomUUID } from 'node:crypto';
import { z } from 'zod';

import { toInstance } from './instances/instance-view.ts';
import {
  findRecord,
  knownRecord,
  listRecords,
  setDigest,
  toMachineImage,
} from './machine-images/record.ts';
import { restoreServer } from './machine-images/restore.ts';
import { completeSet, makeSet } from './machine-images/set-making.ts';
import { removeSet } from './machine-images/set-removal.ts';
import type { CloudContext } from './resources/context.ts';
import { checkLabels, checkName, checkTexts, invalid } from './resources/rules.ts';

const setOptions = z.strictObject({
  /** Whether a running server with several disks is paused while they are taken; it is by default. */
  pause: z.boolean().optional(),
});

/**
 * Whole servers: the image of a server's own disk, snapshots of its volumes, and its configuration, found as one
 * thing by a record among the images. A running server that has several disks is paused while they are taken, so
 * that they are of the same moment.
 */
export class RackspaceMachineImages implements MachineImages {
  readonly traits: MachineImagesTraits;
  readonly #context: CloudContext;

  constructor(context: CloudContext, hasVolumes: boolean) {
    this.#context = context;
    this.traits = {
      disks: hasVolumes ? 'all' : 'boot',
      applicationConsistency: false,
      minIntervalMs: 0,
    };
    context.onResume('machineImages.create', (id, options) =>
      context.operation('resume', id, options, async (control) => {
        control.accepted(`machineImages.create ${id}`);
        const record = await completeSet(context, id, { isNew: false }, control);
        return toMachineImage(context, record, control);
      }),
    );
    context.onResume('machineImages.delete', (id, options) => this.delete(id, options));
  }

  async get(id: string, options?: CallOptions): Promise<MachineImage> {
    const context = this.#context;
    return context.call('machineImages.get', id, options, async () =>
      toMachineImage(context, await knownRecord(context, id, options), options),
    );
  }

  list(
    filter: {
      readonly name?: string | undefined;
      readonly instance?: string | undefined;
      readonly labels?: Labels | undefined;
    } = {},
    options?: CallOptions,
  ): AsyncIterable<MachineImage> {
    const context = this.#context;
    return context.listing('machineImages.list', filter.name, options, async function* () {
      for await (const record of listRecords(context, 'machineImages.list', filter, options))
        yield await toMachineImage(context, record, options);
    });
  }

  create(request: CreateMachineImageRequest, options?: CallOptions): Operation<MachineImage> {
    const context = this.#context;
    const { name, consistency = 'crash', labels, description } = request;
    return context.operation('machineImages.create', name, options, async (control) => {
      checkName('machine image', name);
      checkLabels(labels);
      checkTexts({ description });
      const { pause = true } = checkOptions(request.providerOptions);
      if (consistency !== 'crash')
        throw new ImgkitError('UNSUPPORTED', `there is no consistency "${consistency}" here`, {
          hint: 'Stop the instance first, or take it as it is: consistency: "crash".',
        });
      const key = setDigest(context.project, request.idempotencyKey ?? randomUUID());
      const record = await makeSet(context, { ...request, key, pause }, control);
      return toMachineImage(context, record, control);
    });
  }

  delete(id: string, options?: CallOptions): Operation<void> {
    const context = this.#context;
    return context.operation('machineImages.delete', id, options, async (control) => {
      control.accepted(`machineImages.delete ${id}`);
      const record = await findRecord(context, id, control);
      if (record !== undefined) await removeSet(context, record, control);
    });
  }

  restore(request: RestoreRequest, options?: CallOptions): Operation<Instance> {
    const context = this.#context;
    return context.operation('machineImages.restore', request.name, options, async (control) =>
      toInstance(context, await restoreServer(context, request, control), control),
    );
  }
}

function checkOptions(given: unknown): z.infer<typeof setOptions> {
  const checked = setOptions.safeParse(given ?? {});
  if (checked.success) return checked.data;
  const [issue] = checked.error.issues;
  throw invalid(`providerOptions can't be taken: ${issue?.message ?? ''}`, 'Give pause only.');
}
