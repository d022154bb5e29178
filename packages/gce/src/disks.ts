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

import type { WireObject } from './api/wire.ts';
import type { GceContext } from './context.ts';
import { creationLabels } from './resources/creation.ts';
import { diagnosed } from './machines/diagnosis.ts';
import { diskKind } from './resources/kinds.ts';
import { toGceLabels } from './resources/labels.ts';
import { toDisk } from './mapping/disk.ts';
import { checkSize, toGib, typeUrl } from './mapping/machine-template.ts';
import { checkName } from './resources/names.ts';
import {
  encryptionKey,
  encryptionOptions,
  readOptions,
  type GceEncryptionOptions,
} from './resources/provider-options.ts';
import { formatId } from './resources/resource-id.ts';
import {
  deleteResource,
  listResources,
  makeResource,
  readResource,
  resumeResource,
  type ResourceKind,
} from './resources/resource-calls.ts';
import { usableImage, usableSnapshot } from './resources/sources.ts';

/** What `providerOptions` of `disks.create` may hold at GCE. */
export interface GceDiskOptions extends GceEncryptionOptions {
  /** The zone; the provider's by default. */
  readonly zone?: string | undefined;
  /** `pd-standard`, `pd-ssd`, `hyperdisk-balanced`…; `pd-balanced` by default. */
  readonly type?: string | undefined;
  /** What it is, in words. */
  readonly description?: string | undefined;
}

const diskOptions = z.strictObject({
  zone: z.string().min(1).optional(),
  type: z.string().min(1).optional(),
  ...encryptionOptions,
  description: z.string().max(2048).optional(),
});

/** Persistent disks. */
export class GceDisks implements Disks {
  readonly #context: GceContext;
  readonly #kind: ResourceKind<Disk>;

  constructor(context: GceContext) {
    this.#context = context;
    this.#kind = diskKind(context.provider);
    resumeResource(context, this.#kind);
  }

  async get(id: string, options?: CallOptions): Promise<Disk> {
    const { provider } = this.#context;
    return this.#context.call('disks.get', id, options, async () =>
      toDisk(await readResource(this.#context, this.#kind, id, options), provider),
    );
  }

  list(
    filter?: { readonly name?: string | undefined; readonly labels?: Labels | undefined },
    options?: CallOptions,
  ): AsyncIterable<Disk> {
    return listResources(this.#context, this.#kind, filter, undefined, options);
  }

  create(request: CreateDiskRequest, options?: CallOptions): Operation<Disk> {
    const { name, idempotencyKey: key } = request;
    const context = this.#context;
    return context.operation('disks.create', name, options, async (control) => {
      checkName('disk', name);
      const wishes: GceDiskOptions = readOptions(diskOptions, request.providerOptions, 'disks');
      const labels = toGceLabels(request.labels, creationLabels(key));
      const content = await this.#content(request, control);
      const { project } = context;
      const zone = wishes.zone ?? (await context.zone(control));
      const scope = `zones/${zone}`;
      const diskResource = {
        name,
        labels,
        ...content,
        type: typeUrl({ project, scope }, 'diskTypes', wishes.type ?? 'pd-balanced'),
        diskEncryptionKey: encryptionKey(wishes),
        description: wishes.description,
      };
      const id = formatId({ project, scope, collection: 'disks', name });
      const made = { id, key, request: { project, zone, diskResource } };
      try {
        return await makeResource(context, this.#kind, made, control);
      } catch (error) {
        const { source } = request;
        const image = source?.kind === 'image' ? source.image.id : undefined;
        throw await diagnosed(context, error, { disks: [id], image });
      }
    });
  }

  delete(id: string, options?: CallOptions): Operation<void> {
    return deleteResource(this.#context, this.#kind, id, options);
  }

  async #content(request: CreateDiskRequest, options: CallOptions): Promise<WireObject> {
    const { source = { kind: 'empty' }, sizeBytes, name } = request;
    const sizeGb = sizeBytes === undefined ? undefined : toGib(sizeBytes);
    const check = (least: number): void => checkSize(`disk "${name}"`, sizeBytes, least);
    check(1);
    if (source.kind === 'empty') {
      if (sizeBytes !== undefined) return { sizeGb };
      throw new ImgkitError('INVALID_ARGUMENT', 'an empty disk needs a size', {
        hint: 'Give its size in bytes; Google makes whole GiB of it.',
      });
    }
    const content =
      source.kind === 'image'
        ? await usableImage(this.#context, source.image, options)
        : await usableSnapshot(this.#context, source.snapshot, options);
    check(content.sizeBytes);
    const field = source.kind === 'image' ? 'sourceImage' : 'sourceSnapshot';
    return { [field]: content.id, sizeGb };
  }
}
