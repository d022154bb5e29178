import type { CallOptions, ImageUser, Usage, UsageReport } from '@imgkit/core';

import { formatId, type LocalContext } from './resources/context.ts';
import { recordsOf } from './resources/creation.ts';
import { visibleImage } from './resources/image-access.ts';
import { diskRecordKind, imageKind, machineImageKind } from './resources/kinds.ts';
import type { ImageUsers } from './resources/machines.ts';
import type { LocalStore } from './store/local-store.ts';

/** Tells who of all projects of the store uses an image. */
export class QemuUsage implements Usage {
  readonly #context: LocalContext;
  readonly #others: Readonly<Record<string, ImageUsers>>;

  /**
   * @param others - Who else to ask, by what they are called when they can't answer.
   */
  constructor(context: LocalContext, others: Readonly<Record<string, ImageUsers>>) {
    this.#context = context;
    this.#others = others;
  }

  async of(id: string, options?: CallOptions): Promise<UsageReport> {
    const context = this.#context;
    return context.call('usage.of', id, options, async (store) => {
      const record = visibleImage(context, store, id);
      const image = formatId(record.project, 'images', record.name);
      const users: ImageUser[] = [...storedUsers(store, image)];
      const unanswered: string[] = [];
      for (const [name, other] of Object.entries(this.#others)) {
        try {
          users.push(...(await other.usersOf(image, options)));
        } catch (error) {
          if (options?.signal?.aborted === true) throw error;
          unanswered.push(`${name}: ${error instanceof Error ? error.message : String(error)}`);
        }
      }
      return { users, complete: unanswered.length === 0, unanswered };
    });
  }
}

function* storedUsers(store: LocalStore, image: string): Generator<ImageUser> {
  for (const { project, name, doc } of recordsOf(store, diskRecordKind).all())
    if (doc.image === image)
      yield { kind: 'disk', id: formatId(project, 'disks', name), reason: 'it was made of it' };
  for (const { project, name, doc } of recordsOf(store, imageKind).all())
    if (doc.parent === image)
      yield { kind: 'image', id: formatId(project, 'images', name), reason: 'it was made of it' };
  for (const { project, name, doc } of recordsOf(store, machineImageKind).all())
    if (doc.disks.some((disk) => disk.image === image))
      yield {
        kind: 'machine-image',
        id: formatId(project, 'machine-images', name),
        reason: 'a disk of it was made of it',
      };
}
