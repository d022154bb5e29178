import { createHash, randomUUID } from 'node:crypto';
import { createReadStream, createWriteStream } from 'node:fs';
import { rm, stat } from 'node:fs/promises';
import { pipeline } from 'node:stream/promises';

import {
  ImgkitError,
  type CallOptions,
  type DiskFormat,
  type ExportedImage,
  type Labels,
  type OperationControl,
} from '@imgkit/core';
import { formatProcess, parseProcess, systemProcesses } from '@imgkit/core/local';

import { notFound } from '../errors.ts';
import type { GlanceImage } from '../glance/glance-image.ts';
import { isRunning, taskFailure, type ImageTask, type ImageTasks } from '../glance/image-tasks.ts';
import { labelsOfName, ownedName } from '../instances/ownership.ts';
import { toImage, toLabels } from '../mapping.ts';
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

/** What a container says of itself: which process made it, when, and who owns what it exports. */
const notes = ['imgkit-maker', 'imgkit-created-at', 'imgkit-owned'] as const;
/** After how long an export is over whose process can't be seen from here: the cloud forgets its task by then. */
const longestMs = 48 * 3_600_000;

/** The container of an export whose process has ended before it was removed. */
export interface AbandonedExport {
  readonly container: string;
  /** When it was made, as an ISO 8601 instant. */
  readonly createdAt: string;
  /** By which labels the image is owned that was exported. */
  readonly labels: Labels;
}

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
    for await (const left of this.abandoned(context, control)) await this.remove(left.container);
    const container = `${this.#prefix}${randomUUID()}`;
    const parts = ['vhd', 'raw'].map((kind) => `${to}.${randomUUID().slice(0, 8)}.${kind}.part`);
    const [vhd = '', raw = ''] = parts;
    try {
      const object = await this.#have(context, native, container, control);
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
      await this.remove(container);
    }
  }

  /** What processes have left that are gone; what others still work on isn't among it. */
  async *abandoned(
    { clock }: CloudContext,
    { signal }: CallOptions = {},
  ): AsyncGenerator<AbandonedExport, void, undefined> {
    for (const container of await this.#swift.containers(this.#prefix, { signal })) {
      const {
        'imgkit-maker': maker = '',
        'imgkit-created-at': createdAt = '',
        'imgkit-owned': owned = '',
      } = await this.#swift.containerNote(container, notes, { signal });
      const process = parseProcess(maker);
      if (process === undefined || Number.isNaN(Date.parse(createdAt))) continue; // it is none of ours
      const isOld = clock.now() - Date.parse(createdAt) > longestMs;
      if (systemProcesses.isAlive(process) ?? !isOld) continue;
      yield { container, createdAt, labels: labelsOfName(owned) ?? {} };
    }
  }

  /** Removes a container of an export, and what is in it. Removing what is gone succeeds. */
  async remove(container: string, options?: CallOptions): Promise<void> {
    if (!container.startsWith(this.#prefix)) throw notFound('export', container);
    for await (const { name } of this.#swift.list(container, { prefix: '' }, options))
      await this.#swift.remove(container, name, { isLarge: true, ...options });
    await this.#swift.removeContainer(container, options);
  }

  /** Has the cloud write the image; gives the name of the object. */
  async #have(
    context: CloudContext,
    native: GlanceImage,
    container: string,
    { signal, progress }: OperationControl,
  ): Promise<string> {
    const image = native.id;
    const [maker, createdAt, owned] = notes;
    const metadata = {
      [maker]: formatProcess(systemProcesses.self()),
      [createdAt]: new Date(context.clock.now()).toISOString(),
      [owned]: ownedName(toLabels(native), 'export'),
    };
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
}

async function digestOf(path: string, algorithm: string): Promise<string> {
  const hash = createHash(algorithm);
  for await (const chunk of createReadStream(path)) hash.update(chunk);
  return hash.digest('hex');
}
