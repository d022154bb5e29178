import {
  ImgkitError,
  type CallOptions,
  type CreateImageRequest,
  type Image,
  type ImageFilter,
  type Images,
  type ImagesTraits,
  type ImageUpdate,
  type Operation,
} from '@imgkit/core';

import type { ImageDocument } from './mapping.ts';
import { deleteOwn } from './resources/access.ts';
import type { LocalContext } from './resources/context.ts';
import { create, recordsOf, resumeCreation, statusOf } from './resources/creation.ts';
import { checkImage, draftImage, finishedImage } from './resources/image-creation.ts';
import { changeImage, isVisible, visibleImage } from './resources/image-access.ts';
import { imageKind } from './resources/kinds.ts';
import type { Machines } from './resources/machines.ts';
import { changedLabels, checkTexts, hasLabels, resourceName } from './resources/rules.ts';
import { prepareSource } from './resources/sources.ts';
import type { StoredRecord } from './store/records.ts';

const sources = ['disk', 'snapshot', 'image', 'file', 'instance'] as const;

/** The images of a store: rows of its catalog over content-addressed qcow2 files. */
export class QemuImages implements Images {
  readonly traits: ImagesTraits = {
    sources,
    imageName: resourceName,
    familyName: resourceName,
    digests: true,
  };
  readonly #context: LocalContext;
  readonly #machines: Machines;

  constructor(context: LocalContext, machines: Machines) {
    this.#context = context;
    this.#machines = machines;
    const creation = { operation: 'images.create', kind: imageKind };
    resumeCreation(
      context,
      creation,
      ({ request }) => request,
      (request, again) => this.create(request, again),
    );
  }

  async get(id: string, options?: CallOptions): Promise<Image> {
    return this.#context.call('images.get', id, options, (store) =>
      imageKind.show(this.#context, visibleImage(this.#context, store, id)),
    );
  }

  list(filter: ImageFilter = {}, options?: CallOptions): AsyncIterable<Image> {
    const { project = this.#context.project, pageSize } = filter;
    return this.#context.pages(
      'images.list',
      { ...options, pageSize },
      (store, after: StoredRecord<ImageDocument> | undefined, size) =>
        recordsOf(store, imageKind).page(after?.seq, size, project),
      (_store, record) =>
        isVisible(this.#context, record) && matches(record, filter)
          ? imageKind.show(this.#context, record)
          : undefined,
    );
  }

  create(request: CreateImageRequest, options?: CallOptions): Operation<Image> {
    const context = this.#context;
    return create(
      context,
      {
        operation: 'images.create',
        kind: imageKind,
        request,
        check: () => checkImage(request),
        prepare: async (store, { signal }) => {
          const { source } = request;
          if (!sources.includes(source?.kind))
            throw new ImgkitError('UNSUPPORTED', `no image can be made of a ${source?.kind}`, {
              hint: `Make it of one of these: ${sources.join(', ')}.`,
            });
          return prepareSource(context, store, this.#machines, source, { signal });
        },
        draft: (source) => ({ ...draftImage(context, request, source), request }),
        make: async (store, source, record, { signal, progress }) => {
          progress('copying the disk', 0);
          const onProgress = (fraction: number): void => progress('copying the disk', fraction);
          const disk = await source.take({ signal, onProgress });
          return finishedImage(store, record, disk, request);
        },
      },
      options,
    );
  }

  async update(id: string, changes: ImageUpdate, options?: CallOptions): Promise<Image> {
    const context = this.#context;
    return context.call('images.update', id, options, (store) => {
      checkTexts(changes);
      return changeImage(context, store, id, ({ doc }) => ({
        ...doc,
        labels: changedLabels(doc.labels, changes.labels),
        description: changes.description ?? doc.description,
      }));
    });
  }

  delete(id: string, options?: CallOptions): Operation<void> {
    return deleteOwn(this.#context, 'images.delete', imageKind, id, options);
  }
}

function matches(record: StoredRecord<ImageDocument>, filter: ImageFilter): boolean {
  const { name, family, published, status, states, labels } = filter;
  const { doc } = record;
  return (
    (name === undefined || record.name === name) &&
    (family === undefined || doc.family === family) &&
    (published === undefined || doc.published === published) &&
    (status === undefined || status.includes(statusOf(record))) &&
    (states === undefined || states.includes(doc.deprecation.state)) &&
    hasLabels(doc.labels, labels)
  );
}
