import type { CreateImageRequest, ImageFilter, Images } from '../../spec/capabilities/images.ts';
import { ImgkitError } from '../../spec/errors.ts';
import type { Image } from '../../spec/image.ts';
import type { MemoryContext } from './context.ts';
import { beginCreation, beginDeletion, type Creation, type Kind } from './creation.ts';
import { keptDeprecation } from './deprecation.ts';
import { isVisible, ownImage, showImage, visibleImage } from './image-access.ts';
import type { ImageRow } from './records.ts';
import { changedLabels, checkLabels, checkName } from './rules.ts';
import { resolveSource, type ResolvedSource } from './sources.ts';
import { hasLabels } from './table.ts';

/** The images of a memory cloud. */
export function memoryImages(context: MemoryContext): Images {
  const { cloud } = context;
  const kind = imageKind(context);
  return {
    traits: cloud.traits.images,
    get: (id, options = {}) =>
      context.call('images.get', id, options, () => showImage(visibleImage(context, id), context)),
    list: (filter = {}, options = {}) =>
      context.pages(
        'images.list',
        { ...options, pageSize: filter.pageSize },
        {
          table: cloud.images,
          test: (row) => isVisible(context, row) && matches(row, filter, context.project),
        },
        (row) => showImage(row, context),
      ),
    create: (request, options = {}) =>
      context.operation('images.create', request.name, options, (signal) => {
        if (!cloud.traits.images.sources.includes(request.source.kind)) {
          throw new ImgkitError(
            'UNSUPPORTED',
            `no image can be made of a ${request.source.kind} here`,
            {
              hint: `Make it of one of these: ${cloud.traits.images.sources.join(', ')}.`,
            },
          );
        }
        const creation = imageCreation(context, request, (stop) =>
          resolveSource(context, request.source, stop),
        );
        return beginCreation(context, 'images.create', kind, creation, signal);
      }),
    update: (id, changes, options = {}) =>
      context.call('images.update', id, options, () => {
        const row = ownImage(context, id);
        checkLabels(changes.labels);
        row.labels = changedLabels(row.labels, changes.labels);
        row.description = changes.description ?? row.description;
        return showImage(row, context);
      }),
    delete: (id, options = {}) =>
      context.operation('images.delete', id, options, () => deleteImage(context, id)),
  };
}

/** Images as a kind of resource. */
export function imageKind(context: MemoryContext): Kind<ImageRow, Image> {
  return { kind: 'image', table: context.cloud.images, show: showImage };
}

/** Begins to delete an image. */
export function deleteImage(context: MemoryContext, id: string) {
  return beginDeletion(context, 'images.delete', imageKind(context), id, {
    completed: (row) => context.cloud.grants.delete(row.id),
  });
}

/** How an image is made of what `prepare` finds. Checks the request at once. */
export function imageCreation(
  context: MemoryContext,
  request: Omit<CreateImageRequest, 'source'>,
  prepare: (signal: AbortSignal) => Promise<ResolvedSource>,
): Creation<ImageRow, ResolvedSource> {
  const { imageName, familyName } = context.cloud.traits.images;
  checkName('image', request.name, imageName);
  if (request.family !== undefined) checkName('family', request.family, familyName);
  const deprecation = keptDeprecation(context, request.deprecation ?? { state: 'ACTIVE' });
  return {
    request,
    prepare,
    make: (start, source) => ({
      ...start,
      status: 'PENDING',
      family: request.family,
      version: request.version,
      published: false,
      publishedAt: undefined,
      deprecation,
      description: request.description,
      architecture: request.architecture ?? source.architecture,
      origin: source.origin,
      parent: source.image,
      content: source.content,
    }),
    complete: (row) => {
      row.status = 'READY';
      if (row.family === undefined || request.staged === true) return;
      row.published = true;
      row.publishedAt = context.cloud.stamp();
    },
  };
}

function matches(row: ImageRow, filter: ImageFilter, ownProject: string): boolean {
  const { project = ownProject, name, family, published, status, states, labels } = filter;
  return (
    row.project === project &&
    (name === undefined || row.name === name) &&
    (family === undefined || row.family === family) &&
    (published === undefined || row.published === published) &&
    (status === undefined || status.includes(row.status)) &&
    (states === undefined || states.includes(row.deprecation.state)) &&
    hasLabels(row.labels, labels)
  );
}
