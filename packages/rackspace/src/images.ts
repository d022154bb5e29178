import {
  ImgkitError,
  type CallOptions,
  type CreateImageRequest,
  type Image,
  type ImageFilter,
  type Images,
  type ImagesTraits,
  type ImageSource,
  type ImageUpdate,
  type Operation,
} from '@imgkit/core';

import type { ImageSchedules } from './classic/image-schedules.ts';
import { notFound } from './errors.ts';
import { findLocalDisk } from './instances/local-disk.ts';
import { labelProperty, properties, recordKind, toImage, toLabels } from './mapping.ts';
import { captureServer } from './resources/capture.ts';
import type { CloudContext } from './resources/context.ts';
import { changeImage, findImage, visibleImage } from './resources/image-access.ts';
import { checkImageOptions, type RackspaceImageOptions } from './resources/image-options.ts';
import { draftProperties, hiddenAs } from './resources/image-body.ts';
import { makeImage } from './resources/image-creation.ts';
import { followImage } from './resources/image-waiting.ts';
import { deleteImage } from './resources/image-deletion.ts';
import { listImages } from './resources/image-listing.ts';
import {
  checkImageRequest,
  checkLabels,
  checkTexts,
  familyName,
  resourceName,
} from './resources/rules.ts';
import { imageOfVolume, type VolumeSource } from './resources/volume-image.ts';
import { preparedFile, preparedImage, type PreparedSource } from './resources/sources.ts';

/** Where data comes in by tasks only, an image can't be copied: its data can't be had without owning it. */
const sources = {
  direct: ['file', 'image', 'instance'],
  byTasks: ['file', 'instance'],
  volumes: ['disk', 'snapshot'],
} as const;

/** The images of a project in Glance. */
export class RackspaceImages implements Images {
  readonly traits: ImagesTraits;
  /** The images that the cloud makes by itself, where it does. */
  readonly schedules: ImageSchedules | undefined;
  readonly #context: CloudContext;

  constructor(context: CloudContext, hasVolumes: boolean, schedules?: ImageSchedules) {
    this.#context = context;
    this.schedules = schedules;
    this.traits = {
      sources: [
        ...(context.imports === undefined ? sources.direct : sources.byTasks),
        ...(hasVolumes ? sources.volumes : []),
      ],
      imageName: resourceName,
      familyName,
      digests: false,
    };
    context.onResume('images.create', (id, options) =>
      context.operation('resume', id, options, (control) => {
        control.accepted(`images.create ${id}`);
        return followImage(context, id, control);
      }),
    );
    context.onResume('images.delete', (id, options) => this.delete(id, options));
  }

  async get(id: string, options?: CallOptions): Promise<Image> {
    const context = this.#context;
    return context.call('images.get', id, options, async () => {
      const image = await visibleImage(context, id, options);
      if (recordKind(image) !== undefined) throw notFound('image', id);
      return toImage(image, context);
    });
  }

  list(filter: ImageFilter = {}, options?: CallOptions): AsyncIterable<Image> {
    return listImages(this.#context, 'images.list', filter, options);
  }

  create(request: CreateImageRequest, options?: CallOptions): Operation<Image> {
    const context = this.#context;
    const operation = 'images.create';
    return context.operation(operation, request.name, options, async (control) => {
      checkImageRequest(request);
      const own = checkImageOptions(request.providerOptions);
      const { source } = request;
      if (source?.kind === 'instance')
        return captureServer(context, { ...request, source }, control);
      if ((source?.kind === 'disk' || source?.kind === 'snapshot') && this.#takes(source)) {
        const find = () => this.#ownVolume(source, control);
        return imageOfVolume(context, request, find, control);
      }
      const prepared = await this.#prepare(source, own, control.signal);
      const body = {
        name: request.name,
        visibility: 'private',
        ...prepared.members,
        ...draftProperties(request, context.provider, prepared.inheritance),
        ...(await hiddenAs(context, request, control.signal)),
      };
      return makeImage(context, { operation, request, body, data: prepared.data }, control);
    });
  }

  async update(id: string, changes: ImageUpdate, options?: CallOptions): Promise<Image> {
    const context = this.#context;
    return context.call('images.update', id, options, async () => {
      checkTexts(changes);
      checkLabels(changes.labels);
      const changed = await changeImage(
        context,
        id,
        (image) => {
          const wanted: Record<string, string | undefined> = {};
          for (const [key, value] of Object.entries(changes.labels ?? {}))
            wanted[labelProperty(key)] = value ?? undefined;
          if (changes.description !== undefined)
            wanted[properties.description] = changes.description;
          checkLabels({ ...toLabels(image), ...changes.labels });
          return wanted;
        },
        options,
      );
      return toImage(changed, context);
    });
  }

  delete(id: string, options?: CallOptions): Operation<void> {
    const context = this.#context;
    return context.operation('images.delete', id, options, async (control) => {
      control.accepted(`images.delete ${id}`);
      const image = await findImage(context, id, control);
      if (image === undefined) return;
      const kind = recordKind(image);
      if (kind !== undefined)
        throw new ImgkitError('FAILED_PRECONDITION', `"${id}" is the record of a ${kind}`, {
          resource: id,
          hint: 'Delete that: its parts go with it.',
        });
      await deleteImage(context, image, control);
    });
  }

  async #prepare(
    source: ImageSource,
    own: RackspaceImageOptions,
    signal: AbortSignal,
  ): Promise<PreparedSource> {
    if (this.#takes(source)) {
      if (source.kind === 'file') return preparedFile(this.#context, source.file, own, { signal });
      if (source.kind === 'image') return preparedImage(this.#context, source, own, { signal });
    }
    throw new ImgkitError('UNSUPPORTED', `no image can be made of a ${source?.kind} here`, {
      hint: `Make it of one of these: ${this.traits.sources.join(', ')}.`,
    });
  }

  #takes(source: ImageSource): boolean {
    return this.traits.sources.includes(source?.kind);
  }

  /** A disk that Nova itself keeps is only taken with its server. */
  async #ownVolume(source: VolumeSource, options: CallOptions): Promise<VolumeSource> {
    if (source.kind === 'snapshot') return source;
    const local = await findLocalDisk(this.#context, source.disk, options);
    if (local === undefined) return source;
    throw new ImgkitError('UNSUPPORTED', `disk "${source.disk}" is a part of its instance`, {
      resource: source.disk,
      hint: `Make the image of that: source: { kind: 'instance', instance: '${local.instances[0]}' }.`,
    });
  }
}
