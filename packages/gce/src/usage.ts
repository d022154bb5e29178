import {
  throwIfAborted,
  type CallOptions,
  type ImageUser,
  type Usage,
  type UsageReport,
} from '@imgkit/core';

import { objects, text, texts, type WireObject } from './api/wire.ts';
import type { ListCall } from './client.ts';
import type { GceContext } from './context.ts';
import { readTemplate } from './fleets/fleet-templates.ts';
import { versionsOf } from './fleets/group-state.ts';
import { imageCall, readImage } from './images/image-changes.ts';
import {
  imagesOfGroup,
  imagesOfTemplate,
  maybeSameProject,
  type ImageReference,
} from './images/image-references.ts';
import { heldProperties } from './mapping/machine-image.ts';
import { parseResourceId, sameId, shortId } from './resources/resource-id.ts';

/** The image that is asked about. */
interface AskedImage {
  readonly id: string;
  readonly project: string;
  /** Google's number of it: what was made of an image that had the name before has another one. */
  readonly number: string | undefined;
  readonly family: string | undefined;
}

/** What one question gave. */
interface Answer {
  readonly users: readonly ImageUser[];
  readonly unanswered: readonly string[];
}

/** Asks the project of the provider for all that was made of an image, in one listing a kind. */
export class GceUsage implements Usage {
  readonly #context: GceContext;

  constructor(context: GceContext) {
    this.#context = context;
  }

  async of(id: string, options?: CallOptions): Promise<UsageReport> {
    return this.#context.call('usage.of', id, options, async () => {
      const image = await this.#read(id, options);
      const disks: WireObject[] = [];
      const answers = [
        await this.#ask('disks and instances', options, (ask) => this.#disks(image, ask, disks)),
        ...(await Promise.all([
          this.#ask('images', options, (ask) => this.#images(image, ask)),
          this.#ask('templates and fleets', options, (ask) => this.#fleets(image, ask, options)),
          this.#ask('machine images', options, (ask) => this.#machineImages(disks, ask)),
        ])),
      ];
      const unanswered = answers.flatMap((answer) => answer.unanswered);
      return {
        users: unique(answers.flatMap((answer) => answer.users)),
        complete: unanswered.length === 0,
        unanswered,
      };
    });
  }

  async #read(id: string, options: CallOptions | undefined): Promise<AskedImage> {
    const native = await readImage(this.#context, id, options);
    return {
      id: shortId(id),
      project: imageCall(id).request.project,
      number: text(native, 'id'),
      family: text(native, 'family'),
    };
  }

  /** A question that fails, or of which Google says that it could answer in part only, makes the report incomplete. */
  async #ask(
    what: string,
    options: CallOptions | undefined,
    question: (list: (call: ListCall) => AsyncIterable<WireObject>) => AsyncIterable<ImageUser>,
  ): Promise<Answer> {
    const { client } = this.#context;
    const users: ImageUser[] = [];
    const unanswered: string[] = [];
    async function* list(call: ListCall): AsyncGenerator<WireObject> {
      for await (const { items, warnings } of client.pages(call, options)) {
        for (const { code, message, scope } of warnings) {
          const where = scope === undefined ? what : `${what} in ${scope}`;
          unanswered.push(`${where}: ${message || code}`);
        }
        yield* items;
      }
    }
    try {
      for await (const user of question(list)) users.push(user);
    } catch (error) {
      throwIfAborted(options?.signal);
      unanswered.push(`${what}: ${error instanceof Error ? error.message : String(error)}`);
    }
    return { users, unanswered };
  }

  /** Disks say what image they were made of, and which instances use them. Instances say neither. Adds to `made`. */
  async *#disks(image: AskedImage, list: Lister, made: WireObject[]): AsyncGenerator<ImageUser> {
    const { project } = this.#context;
    const request = { project, filter: filterOf(image) };
    const call = { service: 'disks', method: 'aggregatedList', request } as const;
    for await (const disk of list(call)) {
      if (!isMadeOf(disk, image)) continue;
      made.push(disk);
      yield { kind: 'disk', id: idOf(disk), reason: `disk "${text(disk, 'name')}" was made of it` };
      for (const instance of texts(disk, 'users')) {
        const id = shortId(instance);
        const name = id.slice(id.lastIndexOf('/') + 1);
        yield { kind: 'instance', id, reason: `instance "${name}" has a disk that was made of it` };
      }
    }
  }

  async *#images(image: AskedImage, list: Lister): AsyncGenerator<ImageUser> {
    const { project } = this.#context;
    const request = { project, filter: filterOf(image) };
    for await (const child of list({ service: 'images', method: 'list', request })) {
      if (!isMadeOf(child, image)) continue;
      yield {
        kind: 'image',
        id: idOf(child),
        reason: `image "${text(child, 'name')}" was made of it`,
      };
    }
  }

  /**
   * Templates, and the groups that have one of them in any version: also those of no machines. A group's template may be
   * of another project, whose templates aren't listed.
   */
  async *#fleets(
    image: AskedImage,
    list: Lister,
    options: CallOptions | undefined,
  ): AsyncGenerator<ImageUser> {
    const request = { project: this.#context.project };
    const templates: WireObject[] = [];
    const all = { service: 'instanceTemplates', method: 'aggregatedList', request } as const;
    for await (const template of list(all)) {
      const reason = reasonOf(imagesOfTemplate(template), image);
      if (reason === undefined) continue;
      templates.push(template);
      const what = `template "${text(template, 'name')}": its machines`;
      yield { kind: 'template', id: idOf(template), reason: `${what} ${reason}` };
    }
    const groups = { service: 'instanceGroupManagers', method: 'aggregatedList', request } as const;
    const foreign = new Map<string, WireObject>();
    for await (const group of list(groups)) {
      const versions = versionsOf(group);
      for (const { template: url } of versions) {
        if (maybeSameProject(parseResourceId(url)?.project, request.project)) continue;
        const template =
          foreign.get(url) ?? (await readTemplate(this.#context, url, options ?? {}));
        foreign.set(url, template);
        if (reasonOf(imagesOfTemplate(template), image) !== undefined) templates.push(template);
      }
      const isOurs = versions.some((version) =>
        templates.some((template) => isNamedBy(template, version.template)),
      );
      const reason = isOurs
        ? 'are made of a template that names it'
        : reasonOf(imagesOfGroup(group), image);
      if (reason === undefined) continue;
      const what = `the machines of group "${text(group, 'name')}"`;
      yield { kind: 'fleet', id: idOf(group), reason: `${what} ${reason}` };
    }
  }

  /** Machine images name all disks they were taken of, not the images of those. They don't need either any more. */
  async *#machineImages(disks: readonly WireObject[], list: Lister): AsyncGenerator<ImageUser> {
    const request = { project: this.#context.project };
    for await (const saved of list({ service: 'machineImages', method: 'list', request })) {
      const sources = [
        ...objects(saved, 'savedDisks').map((disk) => text(disk, 'sourceDisk') ?? ''),
        ...objects(heldProperties(saved), 'disks').map((disk) => text(disk, 'source') ?? ''),
      ];
      const isOf = (disk: WireObject): boolean =>
        sources.some((source) => sameId(source, idOf(disk))) && wasBefore(disk, saved);
      if (!disks.some(isOf)) continue;
      const reason = `machine image "${text(saved, 'name')}" is of a machine that was made of it`;
      yield { kind: 'machine-image', id: idOf(saved), reason };
    }
  }
}

/** Whether a disk was there when a machine image was made: another disk may have had its name. */
function wasBefore(disk: WireObject, machineImage: WireObject): boolean {
  const [made, saved] = [disk, machineImage].map((one) =>
    Date.parse(text(one, 'creationTimestamp') ?? ''),
  );
  return made === undefined || saved === undefined || !(made > saved);
}

type Lister = (call: ListCall) => AsyncIterable<WireObject>;

/**
 * Google compares the whole URL, whose beginning is its own choice. The dots of a project like `example.com:web` are not
 * escaped: they match themselves too, and what else they match is looked at again.
 */
function filterOf({ id }: AskedImage): string {
  return `sourceImage eq ".*/${id}"`;
}

function isMadeOf(resource: WireObject, { id, number: mine }: AskedImage): boolean {
  const source = text(resource, 'sourceImage');
  if (source === undefined || !sameId(source, id)) return false;
  const theirs = text(resource, 'sourceImageId');
  return theirs === undefined || mine === undefined || theirs === mine;
}

/** How machines come to the image: by its name, or as a member of a family; nothing when they don't. */
function reasonOf(
  references: readonly ImageReference[],
  { id, project, family }: AskedImage,
): string | undefined {
  const name = parseResourceId(id)?.name;
  const found = references
    .filter((one) => maybeSameProject(one.project, project))
    .find((one) => one.name === (one.isFamily ? family : name));
  if (found === undefined) return undefined;
  const which = found.isFamily ? `the newest of its family "${family}"` : 'it';
  return found.boot ? `boot from ${which}` : `have a disk that is made of ${which}`;
}

/** Whether a group's URL of its template is of this one: it may have numbers in the place of names. */
function isNamedBy(template: WireObject, url: string): boolean {
  const [mine, theirs] = [parseResourceId(idOf(template)), parseResourceId(url)];
  if (mine === undefined || theirs === undefined) return sameId(idOf(template), url);
  return (
    mine.scope === theirs.scope &&
    (mine.name === theirs.name || text(template, 'id') === theirs.name) &&
    maybeSameProject(theirs.project, mine.project)
  );
}

function idOf(resource: WireObject): string {
  return shortId(text(resource, 'selfLink') ?? text(resource, 'name') ?? '');
}

/** An instance with two disks of the image is one user. */
function unique(users: readonly ImageUser[]): readonly ImageUser[] {
  return [...new Map(users.map((user) => [`${user.kind} ${user.id}`, user])).values()];
}
