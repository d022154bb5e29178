import { randomUUID } from 'node:crypto';

import {
  ImgkitError,
  throwIfAborted,
  type CallOptions,
  type Image,
  type OperationControl,
} from '@imgkit/core';

import { notFound } from '../errors.ts';
import type { GlanceImage } from '../glance/glance-image.ts';
import { isRunning, taskFailure, type ImageTasks } from '../glance/image-tasks.ts';
import { properties, toImage } from '../mapping.ts';
import type { CloudContext } from '../resources/context.ts';
import { changeImage } from '../resources/image-access.ts';
import type { ImageCreation } from '../resources/image-creation.ts';
import { removeImage } from '../resources/image-deletion.ts';
import { finishImage, finishing } from '../resources/image-finish.ts';
import { imageWithKey, keyDigest } from '../resources/image-key.ts';
import type { Swift } from '../swift/swift.ts';
import { importable, type ImportedDisk } from './disk-conversion.ts';
import { uploadDisk } from './disk-upload.ts';
import { checkName, importedProperties } from './import-checks.ts';
import { ImportRecords, isAlive, type ImportRecord } from './import-records.ts';

/** What images are imported with. */
export interface ImageImportsOptions {
  /** The provider's name. */
  readonly provider: string;
  readonly swift: Swift;
  readonly tasks: ImageTasks;
  /** The container that disks are put into on their way. */
  readonly container: string;
}

/** A disk to be brought to the cloud. */
interface Upload extends ImportedDisk {
  /** Whether another process has begun with it. */
  readonly isLeft: boolean;
}

/** After how long without a change an import counts as abandoned, if its maker can't be seen from here. */
const silenceMs = 120_000;
/** How often an import is begun again, after its maker died or gave up. */
const maxTries = 4;

const tokenPrefix = 'imports/';

/**
 * Makes images of disks in a cloud that takes them by tasks only: the disk goes to Cloud Files as a VHD, a task makes
 * an image of it, and what the image shall have is put on it afterwards. Until then the image has a name made of the
 * idempotency key, and a record in Cloud Files says what it is: any process can go on from that.
 */
export class ImageImports {
  readonly records: ImportRecords;
  readonly #swift: Swift;
  readonly #tasks: ImageTasks;
  readonly #provider: string;

  constructor({ provider, swift, tasks, container }: ImageImportsOptions) {
    this.#provider = provider;
    this.#swift = swift;
    this.#tasks = tasks;
    this.records = new ImportRecords(swift, container);
  }

  /** Makes an image: the same key gives the image that is there, or waits for who makes it. */
  async make(
    context: CloudContext,
    { operation, request, body, data }: ImageCreation,
    control: OperationControl,
  ): Promise<Image> {
    if (data.kind !== 'upload') throw new ImgkitError('UNSUPPORTED', 'no disk is fetched here');
    const disk = await importable(data, control);
    const { signal } = control;
    const key = keyDigest(context.project, request.idempotencyKey ?? randomUUID());
    const token = `${operation} ${tokenPrefix}${key}`;
    const begun = {
      name: request.name,
      createdAt: new Date(context.clock.now()).toISOString(),
      properties: { ...importedProperties(body), [properties.key]: key },
    };
    for (let tries = 1; ; tries += 1) {
      const made = await imageWithKey(context, key, signal);
      const isMine = made === undefined && (await this.#claim(context, key, begun, signal));
      try {
        const isLeft = made === undefined && !isMine && (await this.#isLeft(context, key, signal));
        if (isMine || isLeft) await this.#upload(key, { ...disk, isLeft }, control);
        control.accepted(token);
        return await this.#conclude(context, key, control, made);
      } catch (error) {
        if (signal.aborted) await this.#cancelled(context, { key, isMine, token }, error);
        const isGone = !isMine && ImgkitError.is(error, 'NOT_FOUND') && tries < maxTries;
        if (!isGone) throw error;
        control.progress('it begins again');
      }
    }
  }

  /** Whether what follows the operation in a token names an import. */
  isToken(rest: string): boolean {
    return rest.startsWith(tokenPrefix);
  }

  /** Goes on with an import from its token. */
  async follow(context: CloudContext, rest: string, control: OperationControl): Promise<Image> {
    const key = rest.slice(tokenPrefix.length);
    const made = await imageWithKey(context, key, control.signal);
    if (made === undefined && (await this.#isLeft(context, key, control.signal)))
      throw new ImgkitError('FAILED_PRECONDITION', 'nobody makes the image any more', {
        resource: key,
        hint: 'Make the same call again, with the same idempotency key.',
      });
    return this.#conclude(context, key, control, made);
  }

  /** Removes what an import has made, once the cloud does nothing for it any more. */
  async remove(context: CloudContext, key: string, { signal }: CallOptions = {}): Promise<void> {
    const task = await this.#tasks.importOf(this.records.disk(key), { signal });
    let image = task?.result?.image_id;
    if (task !== undefined && isRunning(task)) {
      const ended = await context.poll(async () => {
        const now = await this.#tasks.find(task.id, { signal });
        return now !== undefined && isRunning(now) ? undefined : { now };
      }, signal);
      image = ended.now?.result?.image_id;
    }
    image ??= (await this.#found(context, key, signal))?.id;
    if (image !== undefined) await removeImage(context, image, { signal });
    await this.records.remove(key, { signal });
  }

  /** Makes this call the one that makes the image of a key, if nobody does; refuses a name that is taken. */
  async #claim(
    context: CloudContext,
    key: string,
    begun: Pick<ImportRecord, 'name' | 'properties' | 'createdAt'>,
    signal: AbortSignal,
  ): Promise<boolean> {
    return context.locks.alone(`image name ${begun.name}`, async () => {
      if ((await this.records.read(key, { signal })) !== undefined) return false;
      await checkName(context, this.records, { ...begun, key }, signal);
      if (!(await this.records.claim(key, begun, { signal }))) return false;
      try {
        // What began at the same time has been seen by one of both at least.
        await checkName(context, this.records, { ...begun, key }, signal);
      } catch (error) {
        await this.records.remove(key);
        throw error;
      }
      return true;
    });
  }

  /** Waits until somebody else's import has its task, or is left to us: then it is ours. */
  async #isLeft(context: CloudContext, key: string, signal: AbortSignal): Promise<boolean> {
    return context.poll(async () => {
      const record = await this.records.read(key, { signal });
      if (record === undefined || record.task !== undefined) return false;
      const alive = isAlive(record);
      if (alive === true) return undefined;
      const last = await this.records.lastChange(key, { signal });
      const silence = context.clock.now() - Date.parse(last);
      if (alive === undefined && silence < silenceMs) return undefined;
      await this.records.takeOver(key, record, { signal });
      return true;
    }, signal);
  }

  /** Brings the disk to the cloud, and has it make an image of it. */
  async #upload(
    key: string,
    { disk, digest, isLeft }: Upload,
    { signal, progress }: OperationControl,
  ): Promise<void> {
    const from = this.records.disk(key);
    try {
      // The one before may have come as far as that.
      const standing = isLeft ? await this.#tasks.importOf(from, { signal }) : undefined;
      if (standing !== undefined) {
        await this.records.note(key, { task: standing.id }, { signal });
        return;
      }
      const folder = this.records.folder(key);
      const place = { swift: this.#swift, container: this.records.container, folder };
      const id = Buffer.from(key.slice(0, 32), 'hex');
      const size = await uploadDisk(place, disk, { signal, progress, digest, id, isLeft });
      await this.records.note(key, { diskBytes: size }, { signal });
      throwIfAborted(signal);
    } catch (error) {
      await this.#undo(key, error);
      throw error;
    }
    // From here on the cloud goes on whoever waits.
    await this.records.note(key, { task: await this.#begin(key, from) });
  }

  async #begin(key: string, from: string): Promise<string> {
    try {
      return (await this.#tasks.import(from, temporaryName(key))).id;
    } catch (error) {
      // The answer was lost, or the call.
      const task = await this.#tasks.importOf(from).catch(() => undefined);
      if (task !== undefined) return task.id;
      await this.#undo(key, error);
      throw error;
    }
  }

  async #undo(key: string, reason: unknown): Promise<void> {
    try {
      await this.records.remove(key);
    } catch (error) {
      const why = error instanceof Error ? error.message : String(error);
      const id = `${tokenPrefix}${key}`;
      throw new ImgkitError('CLEANUP_FAILED', `the upload ${id} could not be removed: ${why}`, {
        resource: id,
        leftovers: [{ provider: this.#provider, kind: 'image', id, reason: why }],
        hint: 'Remove it with provider.owned.delete("image", id), or make the same call again.',
        cause: reason,
      });
    }
  }

  /** Waits for the task, and makes of its image what it shall be. Several may do so at the same time. */
  async #conclude(
    context: CloudContext,
    key: string,
    control: OperationControl,
    made?: GlanceImage,
  ): Promise<Image> {
    const { signal, progress } = control;
    const record = await this.records.read(key, { signal });
    let image = made;
    if (record !== undefined && image === undefined) {
      const id = await context.poll(async () => {
        const task = await this.#tasks.find(record.task ?? '', { signal });
        if (task !== undefined && isRunning(task)) {
          progress('the cloud makes an image of the disk');
          return undefined;
        }
        if (task === undefined || task.status === 'success')
          return task?.result?.image_id ?? (await this.#found(context, key, signal))?.id ?? '';
        await this.records.remove(key);
        throw taskFailure(task, `image "${record.name}"`);
      }, signal);
      image = id === '' ? undefined : await this.#complete(context, id, record, signal);
    }
    // Another may have been faster.
    image ??= await imageWithKey(context, key, signal);
    if (image === undefined) throw notFound('import', key);
    const finished = await finishImage(context, image, control);
    await this.records.remove(key, { signal });
    return toImage(finished, context);
  }

  async #complete(
    context: CloudContext,
    id: string,
    { name, properties: wanted, diskBytes }: ImportRecord,
    signal: AbortSignal,
  ): Promise<GlanceImage> {
    const size = diskBytes === undefined ? {} : { [properties.diskSize]: String(diskBytes) };
    const own = { name, ...wanted, ...size };
    // All at once: there is nothing to be enforced here between the two.
    return changeImage(
      context,
      id,
      async (image) =>
        image[properties.key] === undefined
          ? { ...own, ...(await finishing(context, { ...image, ...own }, { signal })) }
          : {},
      { signal },
    );
  }

  /** The image of an import whose task is over, or unknown: by its key, or by its first name. */
  async #found(
    context: CloudContext,
    key: string,
    signal: AbortSignal | undefined,
  ): Promise<GlanceImage | undefined> {
    const made = await imageWithKey(context, key, signal);
    if (made !== undefined) return made;
    const query = new URLSearchParams({ owner: context.project, name: temporaryName(key) });
    return (await context.glance.page(query, { signal })).images[0];
  }

  /** What the cloud does goes on when our waiting for it ends; what it doesn't do yet is taken back. */
  async #cancelled(
    context: CloudContext,
    { key, isMine, token }: { readonly key: string; isMine: boolean; readonly token: string },
    cause: unknown,
  ): Promise<void> {
    const record = await this.records.read(key);
    if (record === undefined && (await imageWithKey(context, key, undefined)) === undefined) return;
    if (isMine && record !== undefined && record.task === undefined) {
      await this.remove(context, key);
      return;
    }
    throw new ImgkitError('PENDING', 'the cloud goes on making the image', {
      resource: key,
      token,
      hint: 'Go on waiting for it with provider.resume(token).',
      cause,
    });
  }
}

function temporaryName(key: string): string {
  return `imgkit-import-${key}`;
}
