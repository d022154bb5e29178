import { createHash, randomUUID } from 'node:crypto';
import { createReadStream, createWriteStream } from 'node:fs';
import { rm, stat } from 'node:fs/promises';
import { pipeline } from 'node:stream/promises';

import {
  ImgkitError,
  type DiskFormat,
  type ExportedImage,
  type OperationControl,
} from '@imgkit/core';
import { formatProcess, parseProcess, systemProcesses } from '@imgkit/core/local';

import type { GlanceImage } from '../glance/glance-image.ts';
import { isRunning, taskFailure, type ImageTask, type ImageTasks } from '../glance/image-tasks.ts';
import { toImage } from '../mapping.ts';
import type { CloudContext } from '../resources/context.ts';
import { writeFile } from '../resources/disk-target.ts';
import { checkPlace, place } from '../resources/export-place.ts';
import { transferProgress } from '../resources/transfer-progress.ts';
import type { Swift } from '../swift/swift.ts';
import { rawOfVhd } from '../vhd/vhd-reader.ts';

/** What images are exported with. */
export interface ImageExportsOptions {
  readonly swift: Swift;
  readonly tasks: ImageTasks;
  /** What the containers of exported disks begin with. */
  readonly container: string;
}

/** Where an image shall be written, and how. */
export interface ExportPlace {
  readonly to: string;
  readonly format: DiskFormat;
}

/** What of a container says who made it. */
const makerKey = 'imgkit-maker';

/**
 * Writes images to files in a cloud that gives them out by tasks only: a task writes the image's VHD into a
 * container, which is removed when the disk has arrived.
 */
export class ImageExports {
  readonly #swift: Swift;
  readonly #tasks: ImageTasks;
  readonly #prefix: string;

  constructor({ swift, tasks, container }: ImageExportsOptions) {
    this.#swift = swift;
    this.#tasks = tasks;
    this.#prefix = `${container}-export-`;
  }

  async export(
    context: CloudContext,
    native: GlanceImage,
    { to, format }: ExportPlace,
    control: OperationControl,
  ): Promise<ExportedImage> {
    const { id, owner } = native;
    if (format !== 'vhd' && format !== 'raw')
      throw new ImgkitError('UNSUPPORTED', `image "${id}" is not exported as ${format}`, {
        resource: id,
        hint: 'It is exported as raw or vhd: convert that with qemu-img.',
      });
    if (owner !== context.project)
      throw new ImgkitError('PERMISSION_DENIED', `image "${id}" belongs to account ${owner}`, {
        resource: id,
        hint: 'The cloud only exports images of one’s own.',
      });
    const { status, storedBytes = 0, diskSizeBytes } = toImage(native, context);
    if (status !== 'READY')
      throw new ImgkitError('FAILED_PRECONDITION', `image "${id}" is ${native.status}`, {
        resource: id,
        hint: 'Only the data of an active image can be had.',
      });
    await checkPlace(to, storedBytes + (format === 'raw' ? diskSizeBytes : 0));
    await this.#removeLeft(control.signal);
    const container = `${this.#prefix}${randomUUID()}`;
    const parts = ['vhd', 'raw'].map((kind) => `${to}.${randomUUID().slice(0, 8)}.${kind}.part`);
    const [vhd = '', raw = ''] = parts;
    try {
      const object = await this.#have(context, id, container, control);
      await this.#download(container, object, vhd, storedBytes, control);
      if (format === 'raw') {
        control.progress('unpacking the disk');
        await pipeline(rawOfVhd(vhd), createWriteStream(raw, { flags: 'wx', mode: 0o600 }), {
          signal: control.signal,
        });
      }
      const written = format === 'raw' ? raw : vhd;
      const digest = await digestOf(written, 'sha256');
      const { size: sizeBytes } = await stat(written);
      await place(written, to);
      return { path: to, format, sizeBytes, digest: `sha256:${digest}` };
    } finally {
      for (const part of parts) await rm(part, { force: true });
      await this.#remove(container);
    }
  }

  /** Has the cloud write the image; gives the name of the object. */
  async #have(
    context: CloudContext,
    image: string,
    container: string,
    { signal, progress }: OperationControl,
  ): Promise<string> {
    const metadata = { [makerKey]: formatProcess(systemProcesses.self()) };
    await this.#swift.makeContainer(container, { signal, metadata });
    const begun = await this.#tasks.export(image, container, { signal });
    const location = await context.poll(async () => {
      const task: ImageTask | undefined = await this.#tasks.find(begun.id, { signal });
      if (task !== undefined && isRunning(task)) {
        progress('the cloud writes the disk');
        return undefined;
      }
      if (task !== undefined && task.status !== 'success')
        throw taskFailure(task, `image "${image}"`);
      return task?.result?.export_location ?? `${container}/${image}.vhd`;
    }, signal);
    return location.slice(location.indexOf('/') + 1);
  }

  async #download(
    container: string,
    object: string,
    path: string,
    total: number,
    { signal, progress }: OperationControl,
  ): Promise<void> {
    const response = await this.#swift.get(container, object, { signal, streamed: true });
    if (response?.stream === undefined)
      throw new ImgkitError('OPERATION_FAILED', `there is no object ${container}/${object}`, {
        resource: object,
        hint: 'Export the image again.',
      });
    const hash = createHash('md5');
    const tell = transferProgress(progress, 'downloading the disk', total);
    await writeFile(path, response.stream, (piece, written) => {
      hash.update(piece);
      tell(written);
    });
    const said = response.headers.get('etag') ?? '';
    const found = hash.digest('hex');
    // A large object's is a digest of digests, and in quotes.
    if (/^[\da-f]{32}$/.test(said) && said !== found)
      throw new ImgkitError('OPERATION_FAILED', `${object} was damaged on the way`, {
        resource: object,
        hint: 'Export the image again.',
      });
  }

  /** Removes what processes of this machine have left that are gone. */
  async #removeLeft(signal: AbortSignal): Promise<void> {
    for (const container of await this.#swift.containers(this.#prefix, { signal })) {
      const note = await this.#swift.containerNote(container, makerKey, { signal });
      const maker = parseProcess(note ?? '');
      if (maker !== undefined && systemProcesses.isAlive(maker) === false)
        await this.#remove(container);
    }
  }

  async #remove(container: string): Promise<void> {
    for await (const { name } of this.#swift.list(container, { prefix: '' }))
      await this.#swift.remove(container, name, { isLarge: true });
    await this.#swift.removeContainer(container);
  }
}

async function digestOf(path: string, algorithm: string): Promise<string> {
  const hash = createHash(algorithm);
  for await (const chunk of createReadStream(path)) hash.update(chunk);
  return hash.digest('hex');
}
