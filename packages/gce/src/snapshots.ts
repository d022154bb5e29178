import type {
  CallOptions,
  CreateSnapshotRequest,
  Labels,
  Operation,
  Snapshot,
  Snapshots,
} from '@imgkit/core';
import * as z from 'zod';

import type { GceContext } from './context.ts';
import { creationLabels } from './resources/creation.ts';
import { diagnosed } from './machines/diagnosis.ts';
import { snapshotKind } from './resources/kinds.ts';
import { toGceLabels } from './resources/labels.ts';
import { toSnapshot } from './mapping/disk.ts';
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
} from './resources/resource-calls.ts';

/** What `providerOptions` of `snapshots.create` may hold at GCE. */
export interface GceSnapshotOptions extends GceEncryptionOptions {
  /** A region, or `us`, `eu`, `asia`; near the disk by default. */
  readonly storageLocations?: readonly string[] | undefined;
  /** Whether the guest is asked to flush first. */
  readonly guestFlush?: boolean | undefined;
  /** `ARCHIVE` is cheaper to keep, and dearer to read; `STANDARD` by default. */
  readonly type?: 'STANDARD' | 'ARCHIVE' | undefined;
  /** What it is, in words. */
  readonly description?: string | undefined;
}

const snapshotOptions = z.strictObject({
  storageLocations: z.array(z.string().min(1)).max(1).optional(),
  guestFlush: z.boolean().optional(),
  type: z.enum(['STANDARD', 'ARCHIVE']).optional(),
  ...encryptionOptions,
  description: z.string().max(2048).optional(),
});

/** Snapshots of persistent disks. */
export class GceSnapshots implements Snapshots {
  readonly #context: GceContext;

  constructor(context: GceContext) {
    this.#context = context;
    resumeResource(context, snapshotKind);
  }

  async get(id: string, options?: CallOptions): Promise<Snapshot> {
    return this.#context.call('snapshots.get', id, options, async () =>
      toSnapshot(await readResource(this.#context, snapshotKind, id, options)),
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
    return listResources(this.#context, snapshotKind, filter, of, options);
  }

  create(request: CreateSnapshotRequest, options?: CallOptions): Operation<Snapshot> {
    const { name, disk, idempotencyKey: key } = request;
    const context = this.#context;
    return context.operation('snapshots.create', name, options, async (control) => {
      checkName('snapshot', name);
      const wishes: GceSnapshotOptions = readOptions(
        snapshotOptions,
        request.providerOptions,
        'snapshots',
      );
      const { storageLocations, guestFlush, type, description } = wishes;
      const snapshotResource = {
        name,
        sourceDisk: disk,
        labels: toGceLabels(request.labels, creationLabels(key)),
        storageLocations,
        guestFlush,
        snapshotType: type,
        snapshotEncryptionKey: encryptionKey(wishes),
        description,
      };
      const { project } = context;
      const id = formatId({ project, scope: 'global', collection: 'snapshots', name });
      const made = { id, key, request: { project, snapshotResource } };
      try {
        return await makeResource(context, snapshotKind, made, control);
      } catch (error) {
        throw await diagnosed(context, error, { disks: [disk] });
      }
    });
  }

  delete(id: string, options?: CallOptions): Operation<void> {
    return deleteResource(this.#context, snapshotKind, id, options);
  }
}
