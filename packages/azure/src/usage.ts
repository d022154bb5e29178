import {
  ImgkitError,
  throwIfAborted,
  type CallOptions,
  type ImageUser,
  type Usage,
  type UsageReport,
} from '@imgkit/core';

import { flag, object, text, type WireObject } from './api/wire.ts';
import type { AzureContext } from './context.ts';
import { isForMachineImage } from './versions/definitions.ts';
import { bootsFrom, imageIdOf, isLatest } from './fleets/fleet-image.ts';
import { modelOf } from './fleets/fleet-note.ts';
import { readMembers } from './fleets/fleet-view.ts';
import { parseImageId, sameImageId } from './images/image-id.ts';
import { findImage } from './images/image-lookup.ts';
import { statusOf } from './mapping.ts';
import {
  definitionOf,
  formatId,
  ownSpelling,
  parseResourceId,
  type ResourceType,
} from './resources/resource-id.ts';
import {
  machineVersionUser,
  managedImageUsers,
  restorePointUsers,
  type AskedImage,
  type Lister,
} from './usage/captures.ts';
import { compareNumbers, parseNumber } from './versions/version-number.ts';

/** What one question gave. */
interface Answer {
  readonly users: readonly ImageUser[];
  readonly unanswered: readonly string[];
}

/**
 * Asks the whole subscription, in all its resource groups, for what was made of an image. What others made of it in
 * their own subscriptions can't be seen from here: whom it is shared with, `sharing.list` tells.
 */
export class AzureUsage implements Usage {
  readonly #context: AzureContext;

  constructor(context: AzureContext) {
    this.#context = context;
  }

  async of(id: string, options?: CallOptions): Promise<UsageReport> {
    return this.#context.call('usage.of', id, options, async () => {
      const image = await this.#read(id, options);
      const machines: string[] = [];
      const disks: string[] = [];
      const first = await Promise.all([
        this.#ask('virtual machines', options, (list) => this.#machines(image, list, machines)),
        this.#ask('disks', options, (list) => this.#disks(image, list, disks)),
        this.#ask('scale sets', options, (list) => this.#fleets(image, list, options)),
        this.#ask('image versions', options, (list) => this.#children(image, list, options)),
      ]);
      const last = await Promise.all([
        this.#ask('restore points', options, (list) =>
          restorePointUsers(this.#context, { image, machines, list }, options),
        ),
        this.#ask('managed images', options, (list) =>
          managedImageUsers(this.#context, { machines, disks, list }),
        ),
      ]);
      const answers = [...first, ...last];
      const unanswered = answers.flatMap((answer) => answer.unanswered);
      const users = answers.flatMap((answer) => answer.users);
      // A machine that is found by its disk, too, is one user.
      const unique = new Map(users.map((user) => [`${user.kind} ${user.id.toLowerCase()}`, user]));
      return { users: [...unique.values()], complete: unanswered.length === 0, unanswered };
    });
  }

  async #read(id: string, options: CallOptions | undefined): Promise<AskedImage> {
    await findImage(this.#context, id, options);
    const found = parseImageId(id);
    if (found?.kind !== 'version') return { id, definition: undefined, latest: false };
    const definition = definitionOf(found.id);
    return { id, definition: formatId(definition), latest: await this.#isLatest(id, options) };
  }

  /** Whether a version is the highest of its definition that isn't kept from being the latest. */
  async #isLatest(id: string, options: CallOptions | undefined): Promise<boolean> {
    const place = parseResourceId(id);
    const mine = parseNumber(place?.names.at(-1) ?? '');
    if (place === undefined || mine === undefined) return false;
    const type = 'Microsoft.Compute/galleries/images/versions';
    const parent = { ...place, names: place.names.slice(0, 2) };
    for await (const page of this.#context.client.pages(type, parent, options))
      for (const version of page) {
        const number = parseNumber(text(version, 'name') ?? '');
        if (number === undefined || statusOf(version) !== 'READY') continue;
        const excluded = flag(object(version, 'publishingProfile'), 'excludeFromLatest');
        const order = compareNumbers(number, mine);
        if ((order === 0 && excluded) || (order > 0 && !excluded)) return false;
      }
    return true;
  }

  /** A question that fails makes the report incomplete; where the subscription may not be asked, the resource group is. */
  async #ask(
    what: string,
    options: CallOptions | undefined,
    question: (list: Lister) => AsyncIterable<ImageUser>,
  ): Promise<Answer> {
    const { client, settings } = this.#context;
    const { subscription, resourceGroup } = settings;
    const users: ImageUser[] = [];
    const unanswered = new Set<string>();
    async function* list(type: ResourceType): AsyncGenerator<WireObject> {
      try {
        for await (const page of client.pages(type, { subscription }, options)) yield* page;
      } catch (error) {
        if (!ImgkitError.is(error, 'PERMISSION_DENIED')) throw error;
        unanswered.add(`${what} outside of resource group "${resourceGroup}": ${error.message}`);
        for await (const page of client.pages(type, { subscription, resourceGroup }, options))
          yield* page;
      }
    }
    try {
      for await (const user of question(list)) users.push(user);
    } catch (error) {
      throwIfAborted(options?.signal);
      unanswered.add(`${what}: ${error instanceof Error ? error.message : String(error)}`);
    }
    return { users, unanswered: [...unanswered] };
  }

  /** Adds the machines that it names to `found`. */
  async *#machines(image: AskedImage, list: Lister, found: string[]): AsyncGenerator<ImageUser> {
    for await (const machine of list('Microsoft.Compute/virtualMachines')) {
      const reference = object(object(machine, 'storageProfile'), 'imageReference');
      if (!this.#isOf(reference, image)) continue;
      const id = this.#idOf(machine);
      found.push(id);
      yield { kind: 'instance', id, reason: `instance "${text(machine, 'name')}" boots from it` };
    }
  }

  /** Adds the disks that it names to `found`. */
  async *#disks(image: AskedImage, list: Lister, found: string[]): AsyncGenerator<ImageUser> {
    for await (const disk of list('Microsoft.Compute/disks')) {
      const made = object(disk, 'creationData');
      const source =
        text(object(made, 'galleryImageReference'), 'id') ??
        text(object(made, 'imageReference'), 'id');
      if (source === undefined || !sameImageId(source, image.id)) continue;
      const name = text(disk, 'name');
      const id = this.#idOf(disk);
      found.push(id);
      yield { kind: 'disk', id, reason: `disk "${name}" was made of it` };
    }
  }

  /** Scale sets by their model, also those of no machines, and their machines, which may still be of another one. */
  async *#fleets(
    image: AskedImage,
    list: Lister,
    options: CallOptions | undefined,
  ): AsyncGenerator<ImageUser> {
    for await (const set of list('Microsoft.Compute/virtualMachineScaleSets')) {
      const id = this.#idOf(set);
      const name = text(set, 'name');
      const { reference } = modelOf(set);
      const byLatest = isLatest(reference) && image.latest && this.#isLatestOf(reference, image);
      if (byLatest || this.#isOf(reference, image)) {
        const what = byLatest ? 'the latest version, which it is' : 'it';
        yield { kind: 'fleet', id, reason: `new machines of fleet "${name}" boot from ${what}` };
      }
      for (const member of await readMembers(this.#context, id, options))
        if (this.#isOf(member.reference, image)) {
          const reason = `machine ${member.number} of fleet "${name}" boots from it`;
          yield { kind: 'instance', id: member.id, reason };
        }
    }
  }

  /** Versions of all galleries that were made of it. */
  async *#children(
    image: AskedImage,
    list: Lister,
    options: CallOptions | undefined,
  ): AsyncGenerator<ImageUser> {
    const { client } = this.#context;
    const types = {
      definitions: 'Microsoft.Compute/galleries/images',
      versions: 'Microsoft.Compute/galleries/images/versions',
    } as const;
    for await (const gallery of list('Microsoft.Compute/galleries')) {
      const place = parseResourceId(text(gallery, 'id'));
      if (place === undefined) continue;
      for await (const page of client.pages(types.definitions, place, options))
        for (const definition of page) {
          const parent = { ...place, names: [...place.names, text(definition, 'name') ?? ''] };
          for await (const versions of client.pages(types.versions, parent, options))
            yield* versions.flatMap((version) => this.#childOf(version, image));
        }
    }
  }

  #childOf(version: WireObject, image: AskedImage): readonly ImageUser[] {
    if (isForMachineImage(version)) return machineVersionUser(this.#context, version, image);
    const source = object(object(version, 'storageProfile'), 'source');
    const id = text(source, 'id') ?? text(source, 'communityGalleryImageId');
    if (id === undefined || !sameImageId(id, image.id)) return [];
    const child = this.#idOf(version);
    const [, definition, number] = parseResourceId(child)?.names ?? [];
    const reason = `image version ${number} of "${definition}" was made of it`;
    return [{ kind: 'image', id: child, reason }];
  }

  /** Whether a reference stands for the image: by the id of the version, or by its definition and the version it got. */
  #isOf(reference: WireObject | undefined, image: AskedImage): boolean {
    if (reference === undefined) return false;
    return sameImageId(imageIdOf(this.#context, reference), image.id);
  }

  #isLatestOf(reference: WireObject, { definition }: AskedImage): boolean {
    return definition !== undefined && bootsFrom(this.#context, reference, { id: definition });
  }

  #idOf(native: WireObject): string {
    return ownSpelling(text(native, 'id') ?? '', this.#context.gallery);
  }
}
