import {
  ifThere,
  ImgkitError,
  type CallOptions,
  type CreateMachineImageRequest,
  type Instance,
  type Labels,
  type MachineImage,
  type MachineImages,
  type MachineImagesTraits,
  type Operation,
  type OperationControl,
  type RestoreRequest,
} from '@imgkit/core';
import * as z from 'zod';

import type { GceContext } from './context.ts';
import { creationLabels } from './resources/creation.ts';
import { diagnosed } from './machines/diagnosis.ts';
import { instanceKind, instancePlace, machineImageKind } from './resources/kinds.ts';
import { toGceLabels } from './resources/labels.ts';
import { GceMachineImageSharing } from './sharing/machine-image-sharing.ts';
import { MachineImagePace, machineImageIntervalMs } from './machine-images/machine-image-pace.ts';
import { toMachineImage } from './mapping/machine-image.ts';
import { checkName } from './resources/names.ts';
import {
  encryptionKey,
  encryptionOptions,
  readOptions,
  type GceEncryptionOptions,
} from './resources/provider-options.ts';
import { formatId, sameId } from './resources/resource-id.ts';
import {
  deleteResource,
  listResources,
  makeResource,
  readResource,
  resumeResource,
  settled,
} from './resources/resource-calls.ts';
import { restoreInstance } from './machine-images/restore.ts';

/** What `providerOptions` of `machineImages.create` may hold at GCE. */
export interface GceMachineImageOptions extends GceEncryptionOptions {
  /** A region, or `us`, `eu`, `asia`; near the instance by default. */
  readonly storageLocations?: readonly string[] | undefined;
  /**
   * What happens before ten minutes have passed since the last one of the instance: `refuse` it with
   * `RATE_LIMITED` (the default), or `wait`.
   */
  readonly whenTooSoon?: 'refuse' | 'wait' | undefined;
  /** Whether six may be made in quick succession, which uses up the hour; `false` by default. */
  readonly burst?: boolean | undefined;
}

const machineImageOptions = z.strictObject({
  storageLocations: z.array(z.string().min(1)).max(1).optional(),
  ...encryptionOptions,
  whenTooSoon: z.enum(['refuse', 'wait']).optional(),
  burst: z.boolean().optional(),
});

/** Machine images: whole VMs, with all their disks. */
export class GceMachineImages implements MachineImages {
  readonly traits: MachineImagesTraits = {
    disks: 'all',
    applicationConsistency: true,
    minIntervalMs: machineImageIntervalMs,
  };
  /** Who may use them. */
  readonly sharing: GceMachineImageSharing;
  readonly #context: GceContext;
  readonly #pace: MachineImagePace;

  constructor(context: GceContext) {
    this.#context = context;
    this.sharing = new GceMachineImageSharing(context);
    this.#pace = new MachineImagePace(context);
    resumeResource(context, machineImageKind);
    const instances = instanceKind(context.provider);
    context.onResume('machineImages.restore', async (token, control) => {
      await context.waitAgain(control, token, 'making the instance');
      return instances.show(await settled(context, instances, token.target, ['PENDING'], control));
    });
  }

  async get(id: string, options?: CallOptions): Promise<MachineImage> {
    return this.#context.call('machineImages.get', id, options, async () =>
      toMachineImage(await readResource(this.#context, machineImageKind, id, options)),
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
    const of = ({ instance }: MachineImage): boolean =>
      filter?.instance === undefined || sameId(filter.instance, instance);
    return listResources(this.#context, machineImageKind, filter, of, options);
  }

  create(request: CreateMachineImageRequest, options?: CallOptions): Operation<MachineImage> {
    const { name, instance } = request;
    return this.#context.operation('machineImages.create', name, options, async (control) => {
      try {
        return await this.#make(request, control);
      } catch (error) {
        throw await diagnosed(this.#context, error, { instance });
      }
    });
  }

  delete(id: string, options?: CallOptions): Operation<void> {
    return deleteResource(this.#context, machineImageKind, id, options);
  }

  restore(request: RestoreRequest, options?: CallOptions): Operation<Instance> {
    const { machineImage } = request;
    return this.#context.operation('machineImages.restore', machineImage, options, (control) =>
      restoreInstance(this.#context, request, control),
    );
  }

  async #make(
    request: CreateMachineImageRequest,
    control: OperationControl,
  ): Promise<MachineImage> {
    const context = this.#context;
    const { project } = context;
    const { name, instance, description, consistency = 'crash', idempotencyKey: key } = request;
    checkName('machine image', name);
    if (consistency !== 'crash' && consistency !== 'application')
      throw new ImgkitError('UNSUPPORTED', `there is no consistency "${String(consistency)}"`, {
        hint: 'Use "crash" or "application".',
      });
    const wishes: GceMachineImageOptions = readOptions(
      machineImageOptions,
      request.providerOptions,
      'machine images',
    );
    const machineImageResource = {
      name,
      sourceInstance: instance,
      guestFlush: consistency === 'application' ? true : undefined,
      labels: toGceLabels(request.labels, creationLabels(key)),
      description,
      storageLocations: wishes.storageLocations,
      machineImageEncryptionKey: encryptionKey(wishes),
    };
    const id = formatId({ project, scope: 'global', collection: 'machineImages', name });
    // What stands already is given, or refused, at any time.
    const standing = await ifThere(() => readResource(context, machineImageKind, id, control));
    const { whenTooSoon = 'refuse', burst = false } = wishes;
    const make = (): Promise<MachineImage> => {
      const body = { project, sourceInstance: instance, machineImageResource };
      return makeResource(context, machineImageKind, { id, key, request: body }, control);
    };
    if (standing !== undefined) return make();
    await readResource(context, instancePlace, instance, control);
    return this.#pace.keep({ instance, id }, { whenTooSoon, burst }, control, make);
  }
}

/**
 * Whether a provider's machine images are Google's, which can be shared.
 *
 * @example
 * ```ts
 * import { user, type Provider } from '@imgkit/core';
 * import { isGceMachineImages } from '@imgkit/gce';
 *
 * async function share({ machineImages }: Provider, id: string) {
 *   if (!isGceMachineImages(machineImages)) throw new Error('not at Google');
 *   const role = 'projects/acme/roles/restorer';
 *   await machineImages.sharing.grant(id, { role, principals: [user('ann@acme.com')] });
 * }
 * ```
 */
export function isGceMachineImages(machineImages: unknown): machineImages is MachineImages & {
  readonly sharing: GceMachineImageSharing;
} {
  return machineImages instanceof GceMachineImages;
}
