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
import * as z from 'zod';

import { objects, text, textMap } from './api/wire.ts';
import { tokenOf, type AzureContext } from './context.ts';
import { ifThere } from './definitions.ts';
import { readOptions } from './image-request.ts';
import { finishPoint, makePoint, short } from './machine-images/creation.ts';
import { restoreMachine } from './machine-images/restore.ts';
import {
  collectionOf,
  collectionType,
  locatePoint,
  pointsIn,
  readPoint,
  toMachineImage,
} from './machine-images/restore-point.ts';
import { ownOf } from './mapping.ts';
import { subnetOf } from './machines/network.ts';
import { checkName } from './names.ts';
import { regionName } from './regions.ts';
import { formatId, parseIdOf, sameId } from './resource-id.ts';
import { hasLabels, metadataIn, toTags } from './tags.ts';

/** What `providerOptions` of `machineImages.create` may hold at Azure. */
export interface AzureMachineImageOptions {
  /** The ids of disks of the machine that are left out. */
  readonly excludeDisks?: readonly string[] | undefined;
}

const machineImageOptions = z.strictObject({
  excludeDisks: z.array(z.string().startsWith('/subscriptions/')).readonly().optional(),
});

/** A copy of a machine image in another region. */
export interface AzureMachineImageCopy {
  readonly name: string;
  /** The region: `westeurope`. */
  readonly location: string;
  /** Those of what is copied by default. */
  readonly labels?: Labels | undefined;
  /** Two copies with the same key give one. */
  readonly idempotencyKey?: string | undefined;
}

/**
 * Restore points: all disks of a machine at the same moment, with its configuration. Each has a collection of its own,
 * since only collections have tags at Azure: it holds the labels, and what Azure doesn't keep of a machine, its subnet,
 * its ports and its metadata. With `consistency: 'application'` the guest of Windows flushes what its applications
 * have; that of Linux flushes its file systems.
 */
export class AzureMachineImages implements MachineImages {
  readonly traits: MachineImagesTraits = {
    disks: 'all',
    applicationConsistency: true,
    minIntervalMs: 0,
  };
  readonly #context: AzureContext;

  constructor(context: AzureContext) {
    this.#context = context;
    for (const call of ['machineImages.create', 'machineImages.copy'])
      context.onResume(call, (token, control) => finishPoint(context, token, control));
    context.onResume('machineImages.delete', async ({ operation, ...token }, control) => {
      if (operation !== null) await context.waitFor(control, { ...token, operation });
    });
  }

  async get(id: string, options?: CallOptions): Promise<MachineImage> {
    const context = this.#context;
    return context.call('machineImages.get', id, options, async () =>
      toMachineImage(await readPoint(context, id, options), context),
    );
  }

  /** Those of the provider's resource group, others' among them. */
  list(
    filter: {
      readonly name?: string | undefined;
      readonly instance?: string | undefined;
      readonly labels?: Labels | undefined;
    } = {},
    options?: CallOptions,
  ): AsyncIterable<MachineImage> {
    const context = this.#context;
    const { client, settings } = context;
    const { name, instance, labels } = filter;
    return context.listing('machineImages.list', undefined, options, async function* shown() {
      for await (const page of client.pages(collectionType, settings, options))
        for (const { id } of page) {
          const wanted = { ...options, expand: 'restorePoints' };
          const collection = await ifThere(() => client.get(String(id), wanted));
          for (const point of collection === undefined ? [] : pointsIn(collection)) {
            const image = toMachineImage({ point, collection: collection ?? {} }, context);
            const named = name === undefined || image.name === name;
            const of = instance === undefined || sameId(instance, image.instance);
            if (named && of && hasLabels(image.labels, labels)) yield image;
          }
        }
    });
  }

  create(request: CreateMachineImageRequest, options?: CallOptions): Operation<MachineImage> {
    const context = this.#context;
    const { name, instance, labels, description, consistency = 'crash', idempotencyKey } = request;
    return context.operation('machineImages.create', name, options, async (control) => {
      checkName('a machine image', name);
      if (consistency !== 'crash' && consistency !== 'application')
        throw new ImgkitError('UNSUPPORTED', `there is no consistency "${String(consistency)}"`, {
          hint: 'Use "crash" or "application".',
        });
      const wishes: AzureMachineImageOptions = readOptions(
        machineImageOptions,
        request.providerOptions ?? {},
        'machine images',
      );
      const found = parseIdOf('Microsoft.Compute/virtualMachines', instance);
      if (found === undefined)
        throw new ImgkitError('NOT_FOUND', `"${instance}" is not the id of an instance`, {
          resource: instance,
        });
      const machine = await context.client.get(formatId(found), control);
      const subnet = await subnetOf(context, machine, control);
      const excludeDisks = wishes.excludeDisks?.map((id) => ({ id }));
      return makePoint(
        context,
        {
          call: 'machineImages.create',
          name,
          idempotencyKey,
          location: regionName(text(machine, 'location') ?? context.settings.location),
          source: formatId(found),
          tags: (key) =>
            toTags(
              labels,
              {
                key,
                description,
                origin: short(formatId(found)),
                ports: ownOf(machine).ports,
                subnet: short(subnet),
              },
              metadataIn(textMap(machine, 'tags')),
            ),
          body: {
            consistencyMode: consistency === 'crash' ? 'CrashConsistent' : 'ApplicationConsistent',
            ...(excludeDisks === undefined ? {} : { excludeDisks }),
          },
        },
        control,
      );
    });
  }

  /** Deletes a machine image, and the collection that was made for it; others' collections stay. */
  delete(id: string, options?: CallOptions): Operation<void> {
    const context = this.#context;
    const { client } = context;
    return context.operation('machineImages.delete', id, options, async (control) => {
      const place = locatePoint(id);
      const wanted = { ...control, expand: 'restorePoints' };
      const collection = await ifThere(() => client.get(collectionOf(place), wanted));
      if (collection === undefined) return;
      const points = objects(collection, 'restorePoints');
      const others = points.some((point) => !sameId(text(point, 'id') ?? '', formatId(place)));
      const whole = ownOf(collection).key !== undefined && !others;
      const target = whole ? collectionOf(place) : formatId(place);
      const operation = await client.delete(target, control);
      if (operation !== undefined)
        await context.waitFor(control, tokenOf('machineImages.delete', operation, target));
    });
  }

  restore(request: RestoreRequest, options?: CallOptions): Operation<Instance> {
    const { machineImage } = request;
    return this.#context.operation('machineImages.restore', machineImage, options, (control) =>
      restoreMachine(this.#context, request, control),
    );
  }

  /**
   * Copies a machine image into another region, where machines can be restored of it then.
   *
   * @throws {@link ImgkitError} with `NOT_FOUND`, `ALREADY_EXISTS`, or `INVALID_ARGUMENT` for its own region.
   */
  copy(
    id: string,
    { name, location, labels, idempotencyKey }: AzureMachineImageCopy,
    options?: CallOptions,
  ): Operation<MachineImage> {
    const context = this.#context;
    return context.operation('machineImages.copy', id, options, async (control) => {
      checkName('a machine image', name);
      await context.regions.require([location], control);
      const { point, collection } = await readPoint(context, id, control);
      const own = ownOf(collection);
      const image = toMachineImage({ point, collection }, context);
      return makePoint(
        context,
        {
          call: 'machineImages.copy',
          name,
          idempotencyKey,
          location: regionName(location),
          source: collectionOf(locatePoint(id)),
          tags: (key) =>
            toTags(
              labels ?? image.labels,
              { key, origin: short(image.instance), ports: own.ports },
              metadataIn(textMap(collection, 'tags')),
            ),
          body: { sourceRestorePoint: { id: image.id } },
        },
        control,
      );
    });
  }
}

/**
 * Whether a provider's machine images are Azure's, which can be copied into another region.
 *
 * @example
 * ```ts
 * import { isAzureMachineImages } from '@imgkit/azure';
 * import type { Provider } from '@imgkit/core';
 *
 * async function copy({ machineImages }: Provider, id: string) {
 *   if (!isAzureMachineImages(machineImages)) throw new Error('not at Azure');
 *   return machineImages.copy(id, { name: 'web-copy', location: 'westeurope' });
 * }
 * ```
 */
export function isAzureMachineImages(
  machineImages: unknown,
): machineImages is MachineImages & Pick<AzureMachineImages, 'copy'> {
  return machineImages instanceof AzureMachineImages;
}
