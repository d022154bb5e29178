import { ImgkitError } from '../../../spec/errors.ts';
import { collect } from '../assertions.ts';
import { broken, ending } from './mutation.ts';

/** Broken rules of disks, snapshots, usage, limits and owned resources. */
export const resourceMutations = [
  broken(
    'disks',
    'makes a disk smaller than its image as large as that',
    'are made of images',
    ({ disks }) => ({
      disks: {
        ...disks,
        create: (request, options) =>
          ending(disks.create(request, options), (made) =>
            made.catch((error: unknown) => {
              if (request.sizeBytes === undefined) throw error;
              return disks.create({ ...request, sizeBytes: undefined }, options);
            }),
          ),
      },
    }),
  ),
  broken(
    'disks',
    'guesses a size that it wasn’t given',
    'aren’t made without a size',
    ({ disks }) => ({
      disks: {
        ...disks,
        create: (request, options) =>
          request.source === undefined
            ? disks.create({ sizeBytes: 1_048_576, ...request }, options)
            : disks.create(request, options),
      },
    }),
  ),
  broken('disks', 'doesn’t filter its disks by name', 'are made, listed', ({ disks }) => ({
    disks: {
      ...disks,
      list: (filter, options) => disks.list({ ...filter, name: undefined }, options),
    },
  })),
  broken(
    'snapshots',
    'doesn’t filter its snapshots by name',
    'are taken of disks',
    ({ snapshots }) => ({
      snapshots: {
        ...snapshots,
        list: (filter, options) => snapshots.list({ ...filter, name: undefined }, options),
      },
    }),
  ),
  broken(
    'snapshots',
    'deletes a disk with its snapshots',
    'are taken of disks',
    ({ disks, snapshots }) => ({
      disks: {
        ...disks,
        delete: (id, options) =>
          ending(disks.delete(id, options), async (deleted) => {
            for (const snapshot of await collect(snapshots.list({ disk: id }))) {
              await snapshots.delete(snapshot.id);
            }
            await deleted;
          }),
      },
    }),
  ),

  broken('usage', 'forgets the images made of an image', 'names the disks', ({ usage }) => ({
    usage: {
      of: async (id, options) => {
        const report = await usage.of(id, options);
        return { ...report, users: report.users.filter(({ kind }) => kind !== 'image') };
      },
    },
  })),
  broken('usage', 'calls an incomplete answer complete', 'names the disks', ({ usage }) => ({
    usage: {
      of: async (id, options) => ({
        ...(await usage.of(id, options)),
        unanswered: ['the other region'],
      }),
    },
  })),
  broken('usage', 'finds no user of an image that isn’t there', 'names the disks', ({ usage }) => ({
    usage: {
      of: (id, options) =>
        usage.of(id, options).catch(() => ({ users: [], complete: true, unanswered: [] })),
    },
  })),
  broken('limits', 'has a quota of minus one for “unlimited”', 'are numbers', ({ limits }) => ({
    limits: {
      ...limits,
      quotas: async (options) =>
        (await limits.quotas(options)).map(({ name, used, unit }) => ({
          name,
          used,
          unit,
          limit: -1,
        })),
    },
  })),

  broken(
    'owned resources',
    'finds labels by their beginning',
    'are found by exactly',
    ({ owned }) => ({
      owned: {
        ...owned,
        async *list(labels, options) {
          for await (const resource of owned.list({}, options)) {
            const fits = ([key, value]: [string, string]): boolean =>
              resource.labels[key]?.startsWith(value) === true;
            if (Object.entries(labels).every(fits)) yield resource;
          }
        },
      },
    }),
  ),
  broken(
    'owned resources',
    'looks at the first label only',
    'are found by exactly',
    ({ owned }) => ({
      owned: {
        ...owned,
        list: (labels, options) =>
          owned.list(Object.fromEntries(Object.entries(labels).slice(0, 1)), options),
      },
    }),
  ),
  ...(['disk', 'snapshot', 'image'] as const).map((kind) =>
    broken('owned resources', `doesn’t list a ${kind}`, 'are all listed', ({ owned }) => ({
      owned: {
        ...owned,
        async *list(labels, options) {
          for await (const resource of owned.list(labels, options)) {
            if (resource.kind !== kind) yield resource;
          }
        },
      },
    })),
  ),
  broken('owned resources', 'fails to delete what is gone', 'are deleted by kind', ({ owned }) => ({
    owned: {
      ...owned,
      delete: async (kind, id, options) => {
        const ids = (await collect(owned.list({}))).map((resource) => resource.id);
        await owned.delete(kind, id, options);
        if (!ids.includes(id)) throw new ImgkitError('NOT_FOUND', 'gone');
      },
    },
  })),
  broken('owned resources', 'takes any kind to delete', 'are deleted by kind', ({ owned }) => ({
    owned: {
      ...owned,
      delete: (kind, id, options) =>
        owned.delete(kind, id, options).catch((error: unknown) => {
          if (!ImgkitError.is(error, 'INVALID_ARGUMENT')) throw error;
        }),
    },
  })),
  broken(
    'owned resources',
    'labels an image when it is made',
    'carry their labels',
    ({ images }) => ({
      images: {
        ...images,
        create: ({ labels, ...request }, options) =>
          ending(images.create(request, options), async (made) =>
            images.update((await made).ref.id, { labels }),
          ),
      },
    }),
  ),
  broken(
    'owned resources',
    'finds what is half made only when it is whole',
    'carry their labels',
    ({ owned, images }) => ({
      owned: {
        ...owned,
        async *list(labels, options) {
          for await (const resource of owned.list(labels, options)) {
            const whole =
              resource.kind !== 'image' || (await images.get(resource.id)).status === 'READY';
            if (whole) yield resource;
          }
        },
      },
    }),
  ),
  broken('owned resources', 'drops the labels of disks', 'are all listed', ({ disks }) => ({
    disks: {
      ...disks,
      create: (request, options) => disks.create({ ...request, labels: {} }, options),
    },
  })),
];
