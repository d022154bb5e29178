import { randomUUID } from 'node:crypto';
import { ImgkitError } from '../../../spec/errors.ts';
import { collect } from '../assertions.ts';
import { broken, doing, ending } from './mutation.ts';

/** Broken rules of images and their listing. */
export const imageMutations = [
  broken('images', 'drops the labels', 'makes an image of all', ({ images }) => ({
    images: {
      ...images,
      create: (request, options) => images.create({ ...request, labels: {} }, options),
    },
  })),
  broken(
    'images',
    'promises digests that it doesn’t give',
    'makes an image of all',
    ({ images }) => ({
      images: { ...images, traits: { ...images.traits, digests: true } },
    }),
    { traits: { images: { digests: false } } },
  ),
  broken('images', 'gives dates in words', 'makes an image of all', ({ images }) => ({
    images: {
      ...images,
      create: (request, options) =>
        ending(images.create(request, options), async (made) => ({
          ...(await made),
          createdAt: 'just now',
        })),
    },
  })),
  broken(
    'images',
    'replaces all labels when some are changed',
    'changes labels and',
    ({ images }) => ({
      images: {
        ...images,
        update: async (id, changes, options) => {
          const { labels } = await images.get(id);
          const none = Object.fromEntries(Object.keys(labels).map((key) => [key, null]));
          return images.update(id, { ...changes, labels: { ...none, ...changes.labels } }, options);
        },
      },
    }),
  ),
  broken(
    'images',
    'forgets the description when labels change',
    'changes labels and',
    ({ images }) => ({
      images: {
        ...images,
        update: (id, changes, options) =>
          images.update(id, { description: '', ...changes }, options),
      },
    }),
  ),
  broken('images', 'fails when something is deleted twice', 'deletes an image', ({ images }) => ({
    images: {
      ...images,
      delete: (id, options) =>
        ending(images.delete(id, options), async (deleted) => {
          await images.get(id);
          await deleted;
        }),
    },
  })),
  broken('images', 'deletes nothing', 'deletes an image', ({ images }) => ({
    images: { ...images, delete: () => doing(() => Promise.resolve()) },
  })),
  broken('images', 'has another code for what is missing', 'has no image', ({ images, name }) => ({
    images: {
      ...images,
      get: (id, options) =>
        images.get(id, options).catch(() => {
          const details = { provider: name, operation: 'images.get' };
          throw new ImgkitError('FAILED_PRECONDITION', `no image ${id}`, details);
        }),
    },
  })),
  broken('images', 'throws errors of its own', 'has no image', ({ images }) => ({
    images: {
      ...images,
      get: (id, options) =>
        images.get(id, options).catch((error: unknown) => {
          throw new Error('404', { cause: error });
        }),
    },
  })),
  broken('images', 'doesn’t say in its errors who failed', 'has no image', ({ images }) => ({
    images: {
      ...images,
      get: (id, options) =>
        images.get(id, options).catch((error: unknown) => {
          throw new ImgkitError('NOT_FOUND', `no image ${id}`, { cause: error });
        }),
    },
  })),
  broken('images', 'makes good names of bad ones', 'refuses names', ({ images }, { cloud }) => ({
    images: {
      ...images,
      create: (request, options) => {
        const { pattern } = images.traits.imageName;
        const name = pattern.test(request.name) ? request.name : `made-up-${cloud.calls.length}`;
        return images.create({ ...request, name }, options);
      },
    },
  })),
  broken(
    'images',
    'refuses a bad name when the image is made already',
    'refuses names',
    ({ images }) => ({
      images: {
        ...images,
        create: (request, options) =>
          ending(images.create(request, options), async (made) => {
            try {
              return await made;
            } catch (error) {
              if (ImgkitError.is(error, 'INVALID_ARGUMENT')) {
                const name = `half-${randomUUID()}`;
                await images.create({ ...request, name, family: undefined });
              }
              throw error;
            }
          }),
      },
    }),
  ),
  broken(
    'images',
    'takes somebody else’s image of that name for its own',
    'refuses a name that is taken',
    ({ images }) => ({
      images: {
        ...images,
        create: (request, options) =>
          ending(images.create(request, options), async (made) => {
            try {
              return await made;
            } catch (error) {
              const [same] = await collect(images.list({ name: request.name }));
              if (same === undefined) throw error;
              return same;
            }
          }),
      },
    }),
  ),
  broken(
    'images',
    'replaces an image of the same name',
    'refuses a name that is taken',
    ({ images }) => ({
      images: {
        ...images,
        create: (request, options) =>
          doing(async () => {
            for (const { ref } of await collect(images.list({ name: request.name }))) {
              await images.delete(ref.id);
            }
            return images.create(request, options);
          }),
      },
    }),
  ),
  broken(
    'images',
    'makes an empty image when the source is missing',
    'refuses sources',
    ({ images }, { source }) => ({
      images: {
        ...images,
        create: (request, options) =>
          ending(images.create(request, options), (made) =>
            made.catch((error: unknown) => {
              if (!ImgkitError.is(error, 'NOT_FOUND')) throw error;
              return images.create({ ...request, source });
            }),
          ),
      },
    }),
  ),

  broken('listing', 'repeats the last image of a page', 'gives each image once', ({ images }) => ({
    images: {
      ...images,
      async *list(filter, options) {
        let count = 0;
        for await (const image of images.list(filter, options)) {
          yield image;
          if ((count += 1) % (filter?.pageSize ?? 100) === 0) yield image;
        }
      },
    },
  })),
  broken('listing', 'stops after the first page', 'gives each image once', ({ images }) => ({
    images: {
      ...images,
      async *list(filter, options) {
        let count = 0;
        for await (const image of images.list(filter, options)) {
          yield image;
          if ((count += 1) === filter?.pageSize) return;
        }
      },
    },
  })),
  broken(
    'listing',
    'fetches all pages before it gives the first image',
    'asks for no further',
    ({ images }) => ({
      images: {
        ...images,
        async *list(filter, options) {
          yield* await collect(images.list(filter, options));
        },
      },
    }),
  ),
  broken(
    'listing',
    'lists images with fewer facts than it has',
    'gives images as get',
    ({ images }) => ({
      images: {
        ...images,
        async *list(filter, options) {
          for await (const image of images.list(filter, options)) {
            yield { ...image, description: undefined };
          }
        },
      },
    }),
  ),
  ...(['name', 'family', 'published', 'status', 'states', 'labels'] as const).map((part) =>
    broken('listing', `doesn’t filter by ${part}`, 'filters by', ({ images }, { provider }) => ({
      images: {
        ...images,
        list: (filter, options) =>
          images.list(
            { ...filter, [part]: part === 'labels' ? ownLabels(filter?.labels) : undefined },
            options,
          ),
      },
      project: provider.project,
    })),
  ),
  broken('listing', 'leaves staged images out of their family', 'filters by', ({ images }) => ({
    images: {
      ...images,
      list: (filter, options) =>
        images.list(
          filter?.family === undefined ? filter : { published: true, ...filter },
          options,
        ),
    },
  })),
  broken(
    'listing',
    'goes on listing when it is cancelled',
    'ends when it is cancelled',
    ({ images }) => ({
      images: { ...images, list: (filter) => images.list(filter) },
    }),
  ),
];

/** The label that every image of a test has. */
function ownLabels(labels: Readonly<Record<string, string>> = {}) {
  return Object.fromEntries(Object.entries(labels).filter(([key]) => key === 'imgkit-run'));
}
