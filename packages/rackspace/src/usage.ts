import {
  ImgkitError,
  type CallOptions,
  type ImageUser,
  type Usage,
  type UsageReport,
} from '@imgkit/core';

import type { GlanceImage } from './glance/glance-image.ts';
import { isGone } from './instances/instance-view.ts';
import { properties } from './mapping.ts';
import type { CloudContext } from './resources/context.ts';
import { visibleImage } from './resources/image-access.ts';
import { listImages } from './resources/image-listing.ts';
import { toDisk } from './volumes/volume-kind.ts';

/** Fleets that tell which of them use an image. */
export interface FleetUsage {
  usersOf(image: string, options?: CallOptions): Promise<readonly ImageUser[]>;
}

/**
 * Tells what of the provider's own project uses an image. What other projects make of an image that they
 * can see, nobody but them can tell.
 */
export class RackspaceUsage implements Usage {
  readonly #context: CloudContext;
  readonly #fleets: FleetUsage | undefined;

  constructor(context: CloudContext, fleets?: FleetUsage) {
    this.#context = context;
    this.#fleets = fleets;
  }

  async of(id: string, options?: CallOptions): Promise<UsageReport> {
    const context = this.#context;
    return context.call('usage.of', id, options, async () => {
      const image = await visibleImage(context, id, options);
      const users: ImageUser[] = [];
      const unanswered: string[] = [];
      for (const [name, ask] of [
        ['servers', () => this.#servers(id, options)],
        ['volumes', () => this.#volumes(id, options)],
        ['fleets', async () => this.#fleets?.usersOf(id, options) ?? []],
        ['images', () => this.#children(id, options)],
      ] as const) {
        try {
          users.push(...(await ask()));
        } catch (error) {
          if (options?.signal?.aborted === true) throw error;
          unanswered.push(`${name}: ${error instanceof Error ? error.message : String(error)}`);
        }
      }
      if (isSeenByOthers(image, context.project) || (await this.#hasMembers(id, options)))
        unanswered.push('other projects can use it, and their servers can’t be seen from here');
      return { users, complete: unanswered.length === 0, unanswered };
    });
  }

  /** Where sharing doesn't change the visibility. */
  async #hasMembers(id: string, options: CallOptions | undefined): Promise<boolean> {
    const { glance } = this.#context;
    if (await glance.isModern(options)) return false;
    return (await glance.members(id, options)).length > 0;
  }

  async #servers(id: string, options: CallOptions | undefined): Promise<ImageUser[]> {
    const users: ImageUser[] = [];
    try {
      for await (const server of this.#context.nova.list({ image: id }, options)) {
        // For a moment, lists still have what can no longer be found by its id.
        if (isGone(server)) continue;
        users.push({ kind: 'instance', id: server.id, reason: 'it was launched from it' });
      }
    } catch (error) {
      // A cloud without a compute service has no servers.
      if (!ImgkitError.is(error, 'FAILED_PRECONDITION')) throw error;
    }
    return users;
  }

  /** Volumes remember their image; their snapshots go before them, and so are counted with them. */
  async #volumes(id: string, options: CallOptions | undefined): Promise<ImageUser[]> {
    const { cinder, provider } = this.#context;
    if (!(await this.#context.offers('block-storage', options))) return [];
    const disks: { readonly id: string; readonly instances: readonly string[] }[] = [];
    for await (const volume of cinder.volumes({}, options)) {
      const disk = toDisk(volume, provider);
      if (disk.image?.id === id) disks.push(disk);
    }
    if (disks.length === 0) return [];
    const counts = new Map<string, number>();
    for await (const { volume_id: volume } of cinder.snapshots({}, options))
      counts.set(volume, (counts.get(volume) ?? 0) + 1);
    return disks.map(({ id: disk, instances }) => {
      const count = counts.get(disk) ?? 0;
      const more = [
        ...instances.map((instance) => `is attached to instance ${instance}`),
        ...(count === 0 ? [] : [`has ${count} ${count === 1 ? 'snapshot' : 'snapshots'}`]),
      ];
      return { kind: 'disk', id: disk, reason: ['it was made of it', ...more].join(', and ') };
    });
  }

  /** Images, and machine images, that remember what they were made of. */
  async #children(id: string, options: CallOptions | undefined): Promise<ImageUser[]> {
    const users: ImageUser[] = [];
    const context = this.#context;
    for (const kind of [undefined, 'machine-image'] as const) {
      for await (const { ref, native } of listImages(context, 'usage.of', {}, options, kind)) {
        const isChild =
          Reflect.get(Object(native), properties.parent) === id ||
          Reflect.get(Object(native), 'base_image_ref') === id;
        if (isChild && ref.id !== id)
          users.push({ kind: kind ?? 'image', id: ref.id, reason: 'it was made of it' });
      }
    }
    return users;
  }
}

/** An image that isn't private has, or had, others who could use it. */
function isSeenByOthers(image: GlanceImage, project: string): boolean {
  return image.visibility !== 'private' || image.owner !== project;
}
