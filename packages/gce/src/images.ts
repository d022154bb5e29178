import {
  ImgkitError,
  type CallOptions,
  type CreateImageRequest,
  type Image,
  type ImageFilter,
  type Images,
  type ImagesTraits,
  type ImageUpdate,
  type Json,
  type Operation,
  type OperationControl,
} from '@imgkit/core';

import { text, type WireObject, type WireRequest } from './api/wire.ts';
import { tokenOf, type GceContext } from './context.ts';
import { makeOnce } from './resources/creation.ts';
import { changeLabels, imageCall, patchImage, readImage } from './images/image-changes.ts';
import {
  finishImage,
  readFinish,
  removeFailed,
  toFinish,
  type Finish,
} from './images/image-finish.ts';
import { imageBody, checkDescription, imageOptions } from './images/image-request.ts';
import { prepareSource, type FileUploads } from './images/image-sources.ts';
import {
  encodeLabelValue,
  familyLabel,
  hasLabels,
  labelFilter,
  toGceLabels,
} from './resources/labels.ts';
import { isOperationFailure } from './errors.ts';
import { toImage } from './mapping/image.ts';
import { resourceName } from './resources/names.ts';
import { readOptions } from './resources/provider-options.ts';
import { formatId } from './resources/resource-id.ts';

/** How many images Google gives in one page at most. */
const largestPage = 500;

/** Custom images of a project, and those that others share with it. */
export class GceImages implements Images {
  readonly traits: ImagesTraits = {
    sources: ['disk', 'snapshot', 'image', 'file', 'instance'],
    imageName: resourceName,
    familyName: resourceName,
    digests: false,
  };
  readonly #context: GceContext;
  readonly #uploads: FileUploads | undefined;

  constructor(context: GceContext, uploads?: FileUploads) {
    this.#context = context;
    this.#uploads = uploads;
    context.onResume('images.create', async (token, control) => {
      const finish = readFinish(token.rest);
      return this.#finishing(finish, async () => {
        await context.waitAgain(control, token, 'making the image');
        return this.#show(await finishImage(context, token.target, finish, control));
      });
    });
    context.onResume('images.delete', async (token, control) => {
      const read = () => readImage(context, token.target, control);
      await context.waitUntilGone(control, token, 'deleting the image', read);
    });
  }

  async get(id: string, options?: CallOptions): Promise<Image> {
    return this.#context.call('images.get', id, options, async () =>
      this.#show(await readImage(this.#context, id, options)),
    );
  }

  list(filter: ImageFilter = {}, options?: CallOptions): AsyncIterable<Image> {
    return this.#context.pagewise('images.list', options, () => this.#list(filter, options));
  }

  create(request: CreateImageRequest, options?: CallOptions): Operation<Image> {
    const context = this.#context;
    return context.operation('images.create', request.name, options, async (control) => {
      const providerOptions = readOptions(imageOptions, request.providerOptions, 'images');
      const body = imageBody(request, providerOptions);
      toFinish(context.provider, request); // what is wrong with it is said before anything is made
      const source = await prepareSource(context, this.#uploads, request.source, request, control);
      const { fields, force, architecture, uploaded } = source;
      const forceCreate = force || providerOptions.forceCreate === true || undefined;
      const imageResource = {
        ...body,
        ...fields,
        architecture: body['architecture'] ?? architecture?.toUpperCase(),
      };
      const finish = toFinish(context.provider, request, uploaded);
      return this.#finishing(finish, () =>
        this.#make(request, { imageResource, forceCreate }, finish, control),
      );
    });
  }

  async update(id: string, changes: ImageUpdate, options?: CallOptions): Promise<Image> {
    const context = this.#context;
    return context.call('images.update', id, options, async () => {
      const { description, labels = {} } = changes;
      checkDescription(description);
      const set = toGceLabels(
        Object.fromEntries(
          Object.entries(labels).filter((entry): entry is [string, string] => entry[1] !== null),
        ),
      );
      const gone = Object.keys(labels).filter((key) => labels[key] === null);
      toGceLabels(Object.fromEntries(gone.map((key) => [key, '']))); // their keys are checked too
      const before = await readImage(context, id, options);
      if (Object.keys(labels).length > 0)
        await changeLabels(
          context,
          id,
          (current) =>
            Object.fromEntries(
              Object.entries({ ...current, ...set }).filter(([key]) => !gone.includes(key)),
            ),
          options,
        );
      if (description !== undefined && description !== (text(before, 'description') ?? ''))
        await patchImage(context, id, { description }, options);
      return this.#show(await readImage(context, id, options));
    });
  }

  delete(id: string, options?: CallOptions): Operation<void> {
    const context = this.#context;
    return context.operation('images.delete', id, options, async (control) => {
      try {
        const call = { ...imageCall(id), method: 'delete', target: id };
        const started = await context.client.start(call, control);
        await context.wait(control, tokenOf('images.delete', started, id), 'deleting the image');
      } catch (error) {
        if (!ImgkitError.is(error, 'NOT_FOUND')) throw error;
      }
    });
  }

  async *#list(
    filter: ImageFilter,
    options?: CallOptions,
  ): AsyncGenerator<readonly Image[], void, undefined> {
    const { project = this.#context.project, pageSize = largestPage } = filter;
    if (!Number.isSafeInteger(pageSize) || pageSize < 1)
      throw new ImgkitError('INVALID_ARGUMENT', `a page can't have ${pageSize} entries`, {
        hint: `Give a whole number from 1; Google gives ${largestPage} at most.`,
      });
    const request = {
      project,
      filter: expressionOf(filter),
      orderBy: 'creationTimestamp desc',
      maxResults: Math.min(pageSize, largestPage),
    };
    const call = { service: 'images', method: 'list', request } as const;
    for await (const { items } of this.#context.client.pages(call, options))
      yield items
        .map((native) => toImage(this.#context.provider, project, native))
        .filter((image) => matches(image, filter));
  }

  #show(native: WireObject): Image {
    return toImage(this.#context.provider, this.#context.project, native);
  }

  async #make(
    { name, idempotencyKey: key }: CreateImageRequest,
    fields: WireRequest,
    finish: Finish & Json,
    control: OperationControl,
  ): Promise<Image> {
    const { project } = this.#context;
    const id = formatId({ project, scope: 'global', collection: 'images', name });
    const request = { project, ...fields };
    const creation = {
      call: 'images.create',
      what: 'making the image',
      mutation: { service: 'images', method: 'insert', request, target: id } as const,
      id,
      key,
      // Not to be aborted: once it stands, it is given, or goes on with a token.
      find: () => readImage(this.#context, id),
      rest: finish,
    };
    try {
      await makeOnce(this.#context, creation, control);
    } catch (error) {
      if (isOperationFailure(error)) await removeFailed(this.#context, id);
      throw error;
    }
    return this.#show(await finishImage(this.#context, id, finish, control));
  }

  /**
   * Removes what was uploaded for an image when it isn't read any more: not while the cloud goes on. If it can't be
   * removed, the image stands all the same.
   */
  async #finishing(finish: Finish, body: () => Promise<Image>): Promise<Image> {
    let goesOn = false;
    try {
      return await body();
    } catch (error) {
      goesOn = ImgkitError.is(error, 'PENDING');
      throw error;
    } finally {
      const { uploaded } = finish;
      if (uploaded !== undefined && !goesOn)
        await this.#uploads?.remove(uploaded).catch((error: unknown) => {
          this.#context.logger.warn('an uploaded file could not be removed', { uploaded, error });
        });
    }
  }
}

/** The filter as Google's expression, as far as it can be said in one; each image is looked at again. */
function expressionOf({ name, family, labels }: ImageFilter): string | undefined {
  const terms = [
    ...(name === undefined ? [] : [`(name = ${quote(name)})`]),
    ...(family === undefined
      ? []
      : [
          `((family = ${quote(family)}) OR (labels.${familyLabel} = ${quote(encodeLabelValue(family, familyLabel))}))`,
        ]),
    ...labelFilter(labels),
  ];
  return terms.length === 0 ? undefined : terms.join(' AND ');
}

function quote(value: string): string {
  return `"${value.replaceAll(/["\\]/g, String.raw`\$&`)}"`;
}

function matches(image: Image, filter: ImageFilter): boolean {
  const { name, family, published, status, states, labels } = filter;
  return (
    (name === undefined || image.name === name) &&
    (family === undefined || image.family === family) &&
    (published === undefined || image.published === published) &&
    (status === undefined || status.includes(image.status)) &&
    (states === undefined || states.includes(image.deprecation.state)) &&
    hasLabels(image.labels, labels)
  );
}
