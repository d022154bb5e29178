import {
  ImgkitError,
  type CallOptions,
  type CreateSnapshotRequest,
  type Labels,
  type Operation,
  type Snapshot,
  type Snapshots,
} from '@imgkit/core';
import * as z from 'zod';

import { text } from './api/wire.ts';
import type { AzureContext } from './context.ts';
import { readOptions } from './images/image-request.ts';
import { toSnapshot } from './mapping/disk.ts';
import { checkName } from './resources/names.ts';
import { formatId, parseIdOf, sameId } from './resources/resource-id.ts';
import {
  deleteResource,
  listResources,
  makeResource,
  readResource,
  resumeResource,
  type ResourceKind,
} from './resources/resource-calls.ts';

/** What `providerOptions` of `snapshots.create` may hold at Azure. */
export interface AzureSnapshotOptions {
  /** Whether only what changed since the last one is kept; true by default. */
  readonly incremental?: boolean | undefined;
  /** What it is kept in; `Standard_LRS` by default. */
  readonly sku?: 'Standard_LRS' | 'Standard_ZRS' | 'Premium_LRS' | undefined;
}

const snapshotOptions = z.strictObject({
  incremental: z.boolean().optional(),
  sku: z.enum(['Standard_LRS', 'Standard_ZRS', 'Premium_LRS']).optional(),
});

/** Snapshots of managed disks. */
export class AzureSnapshots implements Snapshots {
  readonly #context: AzureContext;
  readonly #kind: ResourceKind<Snapshot>;

  constructor(context: AzureContext) {
    this.#context = context;
    this.#kind = {
      what: 'snapshot',
      type: 'Microsoft.Compute/snapshots',
      capability: 'snapshots',
      show: (native) => toSnapshot(native, context.gallery),
    };
    resumeResource(context, this.#kind);
  }

  async get(id: string, options?: CallOptions): Promise<Snapshot> {
    return this.#context.call('snapshots.get', id, options, async () =>
      this.#kind.show(await readResource(this.#context, this.#kind, id, options)),
    );
  }

  list(
    filter?: {
      readonly name?: string | undefined;
      readonly disk?: string | undefined;
      readonly labels?: Labels | undefined;
    },
    options?: CallOptions,
  ): AsyncIterable<Snapshot> {
    const of = ({ disk }: Snapshot): boolean =>
      filter?.disk === undefined || sameId(filter.disk, disk);
    return listResources(this.#context, this.#kind, filter, of, options);
  }

  create(request: CreateSnapshotRequest, options?: CallOptions): Operation<Snapshot> {
    const context = this.#context;
    const { name, disk, labels, idempotencyKey } = request;
    return context.operation('snapshots.create', name, options, async (control) => {
      checkName('a snapshot', name);
      const wishes: AzureSnapshotOptions = readOptions(
        snapshotOptions,
        request.providerOptions ?? {},
        'snapshots',
      );
      const { incremental = true, sku = 'Standard_LRS' } = wishes;
      const found = parseIdOf('Microsoft.Compute/disks', disk);
      if (found === undefined)
        throw new ImgkitError('NOT_FOUND', `"${disk}" is not the id of a disk`, { resource: disk });
      const sourceResourceId = formatId(found);
      const source = await context.client.get(sourceResourceId, control);
      const body = {
        location: text(source, 'location') ?? context.settings.location,
        sku: { name: sku },
        creationData: { createOption: 'Copy', sourceResourceId },
        incremental,
      };
      return makeResource(context, this.#kind, { name, labels, idempotencyKey, body }, control);
    });
  }

  delete(id: string, options?: CallOptions): Operation<void> {
    return deleteResource(this.#context, this.#kind, id, options);
  }
}
