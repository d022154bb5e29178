import {
  ImgkitError,
  type CallOptions,
  type CreateDiskRequest,
  type Disk,
  type Disks,
  type Labels,
  type Operation,
} from '@imgkit/core';
import * as z from 'zod';

import { number, type WireObject } from './api/wire.ts';
import type { AzureContext } from './context.ts';
import { invalid, readOptions } from './images/image-request.ts';
import { diskOfImage } from './images/disk-images.ts';
import { toDisk } from './mapping/disk.ts';
import type { AzurePurchasePlan } from './images/marketplace.ts';
import { checkName } from './resources/names.ts';
import { formatId, parseIdOf } from './resources/resource-id.ts';
import {
  deleteResource,
  listResources,
  makeResource,
  readResource,
  resumeResource,
  type ResourceKind,
} from './resources/resource-calls.ts';
import { refuseWithdrawn } from './images/sources.ts';

const gib = 2 ** 30;

/** What `providerOptions` of `disks.create` may hold at Azure. */
export interface AzureDiskOptions {
  /** What it is kept in; `StandardSSD_LRS` by default. */
  readonly sku?:
    | 'Standard_LRS'
    | 'StandardSSD_LRS'
    | 'StandardSSD_ZRS'
    | 'Premium_LRS'
    | 'Premium_ZRS'
    | 'PremiumV2_LRS'
    | 'UltraSSD_LRS'
    | undefined;
  /** The availability zone: `1`, `2` or `3`. */
  readonly zone?: '1' | '2' | '3' | undefined;
  /** The disk encryption set that it is encrypted with. */
  readonly diskEncryptionSetId?: string | undefined;
}

const diskOptions = z.strictObject({
  sku: z
    .enum([
      'Standard_LRS',
      'StandardSSD_LRS',
      'StandardSSD_ZRS',
      'Premium_LRS',
      'Premium_ZRS',
      'PremiumV2_LRS',
      'UltraSSD_LRS',
    ])
    .optional(),
  zone: z.enum(['1', '2', '3']).optional(),
  diskEncryptionSetId: z.string().min(1).optional(),
});

/** Managed disks. Their size is counted in whole GiB: what is asked for is rounded up. */
export class AzureDisks implements Disks {
  readonly #context: AzureContext;
  readonly #kind: ResourceKind<Disk>;

  constructor(context: AzureContext) {
    this.#context = context;
    this.#kind = {
      what: 'disk',
      type: 'Microsoft.Compute/disks',
      capability: 'disks',
      show: (native) => toDisk(native, context.provider, context.gallery),
    };
    resumeResource(context, this.#kind);
  }

  async get(id: string, options?: CallOptions): Promise<Disk> {
    return this.#context.call('disks.get', id, options, async () =>
      this.#kind.show(await readResource(this.#context, this.#kind, id, options)),
    );
  }

  list(
    filter?: { readonly name?: string | undefined; readonly labels?: Labels | undefined },
    options?: CallOptions,
  ): AsyncIterable<Disk> {
    return listResources(this.#context, this.#kind, filter, undefined, options);
  }

  create(request: CreateDiskRequest, options?: CallOptions): Operation<Disk> {
    const context = this.#context;
    const { name, labels, idempotencyKey } = request;
    return context.operation('disks.create', name, options, async (control) => {
      checkName('a disk', name);
      const wishes: AzureDiskOptions = readOptions(
        diskOptions,
        request.providerOptions ?? {},
        'disks',
      );
      await context.regions.require([], control);
      const { creationData, leastBytes, plan } = await this.#source(request, control);
      const { sku = 'StandardSSD_LRS', zone, diskEncryptionSetId } = wishes;
      const body = {
        location: context.settings.location,
        sku: { name: sku },
        creationData,
        ...sizeOf(request, leastBytes),
        ...(plan === undefined ? {} : { purchasePlan: plan }),
        ...(zone === undefined ? {} : { zones: [zone] }),
        ...(diskEncryptionSetId === undefined ? {} : { encryption: { diskEncryptionSetId } }),
      };
      return makeResource(context, this.#kind, { name, labels, idempotencyKey, body }, control);
    });
  }

  delete(id: string, options?: CallOptions): Operation<void> {
    return deleteResource(this.#context, this.#kind, id, options);
  }

  /** What the disk is made of, and how large that is. */
  async #source(
    { source = { kind: 'empty' } }: CreateDiskRequest,
    options: CallOptions,
  ): Promise<{
    readonly creationData: WireObject;
    readonly leastBytes: number;
    readonly plan?: AzurePurchasePlan | undefined;
  }> {
    const { client } = this.#context;
    switch (source.kind) {
      case 'empty':
        return { creationData: { createOption: 'Empty' }, leastBytes: 0 };
      case 'image': {
        if (source.image.provider !== this.#context.provider) throw noSource(source.image.id);
        const { image, creationData, plan } = await diskOfImage(
          this.#context,
          source.image.id,
          options,
        );
        refuseWithdrawn(image);
        return { creationData, leastBytes: image.diskSizeBytes, plan };
      }
      case 'snapshot': {
        const found = parseIdOf('Microsoft.Compute/snapshots', source.snapshot);
        if (found === undefined) throw noSource(source.snapshot);
        const sourceResourceId = formatId(found);
        const snapshot = await client.get(sourceResourceId, options);
        return {
          creationData: { createOption: 'Copy', sourceResourceId },
          leastBytes: (number(snapshot, 'diskSizeGB') ?? 0) * gib,
        };
      }
    }
  }
}

/** The size that is asked for, or the source's; nothing where Azure knows it, and doesn't tell before. */
function sizeOf(
  { name, sizeBytes, source }: CreateDiskRequest,
  leastBytes: number,
): { readonly diskSizeGB?: number } {
  if (sizeBytes === undefined && leastBytes === 0) {
    if (source !== undefined && source.kind !== 'empty') return {};
    throw invalid('an empty disk needs a size', 'Give its size in bytes.');
  }
  const size = sizeBytes ?? leastBytes;
  if (Number.isSafeInteger(size) && size > 0 && size >= leastBytes)
    return { diskSizeGB: Math.ceil(size / gib) };
  throw invalid(
    `disk "${name}" can't have a size of ${size} bytes`,
    `Give a whole number of bytes, at least ${Math.max(1, leastBytes)}.`,
  );
}

function noSource(id: string): ImgkitError {
  return new ImgkitError(
    'NOT_FOUND',
    `"${id}" is nothing that a disk of this provider can be made of`,
    {
      resource: id,
    },
  );
}
