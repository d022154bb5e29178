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

/** What one of those who are asked says. */
interface Answer {
  readonly users: readonly ImageUser[];
  /** What even it can't tell. */
  readonly unanswered?: readonly string[];
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
      const users: ImageUser[] = [];
      const unanswered: string[] = [];
      for (const [name, ask] of [
        ['image', () => this.#others(id, options)],
        ['servers', () => this.#servers(id, options)],
        ['volumes', () => this.#volumes(id, options)],
        ['fleets', () => this.#fleetUsers(id, options)],
        ['images', () => this.#children(id, options)],
      ] as const) {
        try {
          const answer = await ask();
          users.push(...answer.users);
          unanswered.push(...(answer.unanswered ?? []));
        } catch (error) {
          const isMissing = name === 'image' && ImgkitError.is(error, 'NOT_FOUND');
          if (isMissing || options?.signal?.aborted === true) throw error;
          unanswered.push(`${name}: ${error instanceof Error ? error.message : String(error)}`);
        }
      }
      return { users, complete: unanswered.length === 0, unanswered };
    });
  }

  /** What others do with an image, nobody here can tell. */
  async #others(id: string, options: CallOptions | undefined): Promise<Answer> {
    const { project } = this.#context;
    const image = await visibleImage(this.#context, id, options);
    const isSeen = isSeenByOthers(image, project) || (await this.#hasMembers(id, options));
    const unanswered = isSeen
      ? ['other projects can use it, and their servers can’t be seen from here']
      : [];
    return { users: [], unanswered };
  }

  /** Where sharing doesn't change the visibility. */
  async #hasMembers(id: string, options: CallOptions | undefined): Promise<boolean> {
    const { glance } = this.#context;
    if (await glance.isModern(options)) return false;
    return (await glance.members(id, options)).length > 0;
  }

  async #servers(id: string, options: CallOptions | undefined): Promise<Answer> {
    const users: ImageUser[] = [];
    // A cloud without a compute service has no servers.
    if (!(await this.#context.offers('compute', options))) return { users };
    for await (const server of this.#context.nova.list({ image: id }, options)) {
      // For a moment, lists still have what can no longer be found by its id.
      if (isGone(server)) continue;
      users.push({ kind: 'instance', id: server.id, reason: 'it was launched from it' });
    }
    return { users };
  }

  async #fleetUsers(id: string, options: CallOptions | undefined): Promise<Answer> {
    return { users: (await this.#fleets?.usersOf(id, options)) ?? [] };
  }

  /** Volumes remember their image; their snapshots go before them, and so are counted with them. */
  async #volumes(id: string, options: CallOptions | undefined): Promise<Answer> {
    const { cinder, provider } = this.#context;
    if (!(await this.#context.offers('block-storage', options))) return { users: [] };
    const disks: { readonly id: string; readonly instances: readonly string[] }[] = [];
    for await (const volume of cinder.volumes({}, options)) {
      const disk = toDisk(volume, provider);
      if (disk.image?.id === id) disks.push(disk);
    }
    if (disks.length === 0) return { users: [] };
    const counts = new Map<string, number>();
    for await (const { volume_id: volume } of cinder.snapshots({}, options))
      counts.set(volume, (counts.get(volume) ?? 0) + 1);
    const users = disks.map(({ id: disk, instances }): ImageUser => {
      const count = counts.get(disk) ?? 0;
      const more = [
        ...instances.map((instance) => `is attached to instance ${instance}`),
        ...(count === 0 ? [] : [`has ${count} ${count === 1 ? 'snapshot' : 'snapshots'}`]),
      ];
      return { kind: 'disk', id: disk, reason: ['it was made of it', ...more].join(', and ') };
    });
    return { users };
  }

  /** Images, and machine images, that remember what they were made of. */
  async #children(id: string, options: CallOptions | undefined): Promise<Answer> {
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
    return { users };
  }
}

/** An image that isn't private has, or had, others who could use it. */
function isSeenByOthers(image: GlanceImage, project: string): boolean {
  return image.visibility !== 'private' || image.owner !== project;
}
