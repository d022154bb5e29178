import { ImgkitError } from '../../../spec/errors.ts';
import { broken, doing, ending } from './mutation.ts';

/** Broken rules of identity, idempotency, cancellation and operations. */
export const callMutations = [
  broken('identity', 'finds all ids the same', 'tells ids apart', () => ({ sameId: () => true })),
  broken('identity', 'finds no id the same', 'tells ids apart', () => ({ sameId: () => false })),
  broken(
    'identity',
    'promises a native head that it hasn’t',
    'has whole capabilities',
    ({ publishing }) => ({
      publishing: {
        traits: publishing.traits,
        publish: (id, request, options) => publishing.publish(id, request, options),
        withdraw: (id, options) => publishing.withdraw(id, options),
      },
    }),
  ),
  broken('identity', 'knows every token', 'refuses a token', () => ({
    resume: () => doing(() => Promise.resolve('anything')),
  })),
  broken(
    'identity',
    'checks itself although it is cancelled',
    'doesn’t begin a check',
    (provider) => ({
      check: () => provider.check(),
    }),
  ),

  broken('idempotency', 'ignores the idempotency key', 'makes one image', ({ images }) => ({
    images: {
      ...images,
      create: (request, options) =>
        images.create({ ...request, idempotencyKey: undefined }, options),
    },
  })),
  broken(
    'idempotency',
    'makes two images for one key at the same time',
    'makes one image',
    ({ images }) => {
      const going = new Set<string>();
      return {
        images: {
          ...images,
          create: (request, options) => {
            const { idempotencyKey = '', name } = request;
            if (!going.has(idempotencyKey)) {
              going.add(idempotencyKey);
              return images.create(request, options);
            }
            return images.create(
              { ...request, name: `${name}-b`, idempotencyKey: `${idempotencyKey}-b` },
              options,
            );
          },
        },
      };
    },
  ),
  broken('idempotency', 'goes by the name instead of the key', 'makes one image', ({ images }) => ({
    images: {
      ...images,
      create: (request, options) =>
        images.create({ ...request, idempotencyKey: request.name }, options),
    },
  })),
  broken('idempotency', 'has one key for everything', 'makes two images', ({ images }) => ({
    images: {
      ...images,
      create: (request, options) =>
        images.create({ ...request, idempotencyKey: 'the-key' }, options),
    },
  })),
  broken('idempotency', 'ignores the key of a disk', 'makes one disk', ({ disks }) => ({
    disks: {
      ...disks,
      create: (request, options) =>
        disks.create({ ...request, idempotencyKey: undefined }, options),
    },
  })),
  broken('idempotency', 'ignores the key of a snapshot', 'makes one snapshot', ({ snapshots }) => ({
    snapshots: {
      ...snapshots,
      create: (request, options) =>
        snapshots.create({ ...request, idempotencyKey: undefined }, options),
    },
  })),

  broken(
    'cancellation',
    'makes the image although it was cancelled before',
    'of the making of an image',
    ({ images }) => ({
      images: { ...images, create: (request) => images.create(request) },
    }),
  ),
  broken(
    'cancellation',
    'leaves a half-made image when it is cancelled',
    'of the making of an image',
    ({ images, name }) => ({
      images: {
        ...images,
        create: (request, options) => {
          if (options?.signal?.aborted === true) return images.create(request, options);
          return ending(images.create(request), async (made) => {
            const stopped = Promise.withResolvers<never>();
            options?.signal?.addEventListener('abort', () => {
              const details = { provider: name, operation: 'images.create' };
              stopped.reject(new ImgkitError('CANCELLED', 'cancelled', details));
            });
            return Promise.race([made, stopped.promise]);
          });
        },
      },
    }),
  ),
  broken(
    'cancellation',
    'gives no token with what goes on',
    'of the making of a disk',
    ({ disks, name }) => ({
      disks: {
        ...disks,
        create: (request, options) =>
          ending(disks.create(request, options), (made) =>
            made.catch((error: unknown) => {
              if (options?.signal?.aborted !== true || ImgkitError.is(error, 'PENDING'))
                throw error;
              const details = { provider: name, operation: 'disks.create' };
              throw new ImgkitError('PENDING', 'it goes on', details);
            }),
          ),
      },
    }),
  ),
  broken(
    'cancellation',
    'throws the reason of the signal as it is',
    'of a short call',
    ({ images }) => ({
      images: {
        ...images,
        get: async (id, options) => {
          options?.signal?.throwIfAborted();
          return images.get(id, options);
        },
      },
    }),
  ),

  broken('operations', 'tells its progress in percent', 'tell their progress', ({ images }) => ({
    images: {
      ...images,
      create: (request, options) => {
        const operation = images.create(request, options);
        return {
          ...operation,
          async *[Symbol.asyncIterator]() {
            for await (const { message } of operation) yield { message, fraction: 50 };
          },
        };
      },
    },
  })),
  broken('operations', 'throws from the progress of what fails', 'that fail', ({ images }) => ({
    images: {
      ...images,
      create: (request, options) => {
        const operation = images.create(request, options);
        return {
          ...operation,
          async *[Symbol.asyncIterator]() {
            yield* operation;
            await operation;
          },
        };
      },
    },
  })),
  broken('operations', 'gives tokens that nobody can resume', 'are found again', (provider) => ({
    resume: (token, options) => provider.resume(`${token}0`, options),
  })),
  broken(
    'operations',
    'resumes an operation without its result',
    'are found again',
    (provider) => ({
      resume: (token, options) =>
        ending(provider.resume(token, options), async (resumed) => {
          await resumed;
          return undefined;
        }),
    }),
  ),
];
