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

import { objects, text, textMap } from './api/wire.ts';
import { tokenOf, type AzureContext } from './context.ts';
import {
  fromVersion,
  machineVersionsIn,
  readMachineVersion,
} from './machine-images/image-version.ts';
import {
  collectionOf,
  collectionType,
  locateMachineImage,
} from './machine-images/machine-image-id.ts';
import { readMachineImageOptions } from './machine-images/machine-image-options.ts';
import { noteOf, writeNote } from './machine-images/machine-note.ts';
import { copyPoint, type AzureMachineImageCopy } from './machine-images/point-copy.ts';
import { finishPoint, makePoint } from './machine-images/point-creation.ts';
import { restoreMachine } from './machine-images/restore.ts';
import { pointsIn, readPoint, toMachineImage } from './machine-images/restore-point.ts';
import { finishMachineVersion, makeMachineVersion } from './machine-images/version-creation.ts';
import { ownOf } from './mapping.ts';
import { checkName } from './resources/names.ts';
import { regionName } from './resources/regions.ts';
import { formatId, parseIdOf, sameId, type ResourceId } from './resources/resource-id.ts';
import { hasLabels, metadataIn, toTags } from './resources/tags.ts';
import { deleteVersion, resumeDeletion } from './versions/version-deletion.ts';

/**
 * Restore points: all disks of a machine at the same moment, with its configuration. Each has a collection of its own,
 * since only collections have tags at Azure: it holds the labels, and what Azure doesn't keep of a machine, its network,
 * its zone, its identities and its metadata. With `consistency: 'application'` the guest of Windows flushes what its
 * applications have; that of Linux flushes its file systems.
 *
 * Or, with `providerOptions: { as: 'imageVersion' }`, specialized image versions of the gallery, each in a definition of
 * its own, of machines that have stopped. They are none of the images, and never the head of a family.
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
      context.onResume(call, (token, control) =>
        isVersion(token.target)
          ? finishMachineVersion(context, token, control)
          : finishPoint(context, token, control),
      );
    context.onResume('machineImages.delete', async ({ operation, ...token }, control) => {
      if (isVersion(token.target)) await resumeDeletion(context, { ...token, operation }, control);
      else if (operation !== null) await context.waitFor(control, { ...token, operation });
    });
  }

  async get(id: string, options?: CallOptions): Promise<MachineImage> {
    const context = this.#context;
    return context.call('machineImages.get', id, options, async () => {
      const place = locateMachineImage(id);
      if (place.kind === 'restorePoint')
        return toMachineImage(await readPoint(context, id, options), context);
      return fromVersion(await readMachineVersion(context, formatId(place.id), options), context);
    });
  }

  /** The restore points of the provider's resource group, others' among them, then those of its gallery. */
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
    const wanted = (image: MachineImage): boolean =>
      (name === undefined || image.name === name) &&
      (instance === undefined || sameId(instance, image.instance)) &&
      hasLabels(image.labels, labels);
    return context.listing('machineImages.list', undefined, options, async function* shown() {
      for await (const page of client.pages(collectionType, settings, options))
        for (const { id } of page) {
          const asked = { ...options, expand: 'restorePoints' };
          const collection = await ifThere(() => client.get(String(id), asked));
          for (const point of collection === undefined ? [] : pointsIn(collection)) {
            const image = toMachineImage({ point, collection: collection ?? {} }, context);
            if (wanted(image)) yield image;
          }
        }
      for await (const version of machineVersionsIn(context, name, options)) {
        const image = fromVersion(version, context);
        if (wanted(image)) yield image;
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
      const wishes = readMachineImageOptions(request.providerOptions);
      const found = parseIdOf('Microsoft.Compute/virtualMachines', instance);
      if (found === undefined)
        throw new ImgkitError('NOT_FOUND', `"${instance}" is not the id of an instance`, {
          resource: instance,
        });
      const machine = await context.client.get(formatId(found), control);
      if (wishes.as === 'imageVersion')
        return makeMachineVersion(context, machine, request, wishes, control);
      const note = writeNote(await noteOf(context, machine, control));
      const metadata = metadataIn(textMap(machine, 'tags'));
      const excludeDisks = wishes.excludeDisks?.map((id) => ({ id }));
      return makePoint(
        context,
        {
          call: 'machineImages.create',
          name,
          idempotencyKey,
          location: regionName(text(machine, 'location') ?? context.settings.location),
          source: formatId(found),
          tags: (key) => toTags(labels, { key, description }, metadata, note),
          body: {
            consistencyMode: consistency === 'crash' ? 'CrashConsistent' : 'ApplicationConsistent',
            ...(excludeDisks === undefined ? {} : { excludeDisks }),
          },
        },
        control,
      );
    });
  }

  /** Deletes a machine image, and the collection or definition that was made for it; others' stay. */
  delete(id: string, options?: CallOptions): Operation<void> {
    const context = this.#context;
    return context.operation('machineImages.delete', id, options, async (control) => {
      const place = locateMachineImage(id);
      if (place.kind === 'restorePoint') await this.#deletePoint(place.id, control);
      else await deleteVersion(context, 'machineImages.delete', formatId(place.id), control);
    });
  }

  async #deletePoint(place: ResourceId, control: OperationControl): Promise<void> {
    const { client } = this.#context;
    const wanted = { ...control, expand: 'restorePoints' };
    const collection = await ifThere(() => client.get(collectionOf(place), wanted));
    if (collection === undefined) return;
    const points = objects(collection, 'restorePoints');
    const others = points.some((point) => !sameId(text(point, 'id') ?? '', formatId(place)));
    const whole = ownOf(collection).key !== undefined && !others;
    const target = whole ? collectionOf(place) : formatId(place);
    const operation = await client.delete(target, control);
    if (operation !== undefined)
      await this.#context.waitFor(control, tokenOf('machineImages.delete', operation, target));
  }

  restore(request: RestoreRequest, options?: CallOptions): Operation<Instance> {
    const { machineImage } = request;
    return this.#context.operation('machineImages.restore', machineImage, options, (control) =>
      restoreMachine(this.#context, request, control),
    );
  }

  /**
   * Copies a restore point into another region, where machines can be restored of it then.
   *
   * @throws {@link ImgkitError} with `NOT_FOUND`, `ALREADY_EXISTS`, `INVALID_ARGUMENT` for its own region, or
   *   `UNSUPPORTED` for an image version, which is replicated instead.
   */
  copy(id: string, copy: AzureMachineImageCopy, options?: CallOptions): Operation<MachineImage> {
    return this.#context.operation('machineImages.copy', id, options, (control) =>
      copyPoint(this.#context, id, copy, control),
    );
  }
}

function isVersion(id: string): boolean {
  return locateMachineImage(id).kind === 'imageVersion';
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
