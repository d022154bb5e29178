import { setImmediate as turn } from 'node:timers/promises';
import { ImgkitError } from '../../../spec/errors.ts';
import { collect } from '../assertions.ts';
import { broken, ending, type Mutation } from './mutation.ts';

/** Broken rules of staging and deprecation. */
export const familyMutations: readonly Mutation[] = [
  broken('staging', 'publishes what is staged', 'keeps a staged image', ({ images }) => ({
    images: {
      ...images,
      create: (request, options) => images.create({ ...request, staged: false }, options),
    },
  })),
  broken(
    'staging',
    'publishes what is staged for a moment',
    'keeps a staged image',
    ({ images, publishing }) => ({
      images: {
        ...images,
        create: (request, options) =>
          ending(images.create({ ...request, staged: false }, options), async (made) => {
            const { ref } = await made;
            for (let wait = 0; wait < 5; wait += 1) await turn();
            return request.staged === true ? publishing.withdraw(ref.id) : made;
          }),
      },
    }),
  ),
  broken(
    'staging',
    'leaves a family without head while it publishes',
    'keeps a staged image',
    ({ images, publishing }) => ({
      publishing: {
        ...publishing,
        publish: async (id, request, options) => {
          const { family } = request;
          for (const { ref } of await collect(images.list({ family, published: true }))) {
            if (ref.id !== id) await publishing.withdraw(ref.id);
          }
          for (let wait = 0; wait < 5; wait += 1) await turn();
          return publishing.publish(id, request, options);
        },
      },
    }),
  ),
  broken('staging', 'doesn’t publish what isn’t staged', 'publishes at once', ({ images }) => ({
    images: {
      ...images,
      create: (request, options) => images.create({ ...request, staged: true }, options),
    },
  })),
  broken(
    'staging',
    'publishes again with a new date',
    'publishes and withdraws',
    ({ publishing }) => ({
      publishing: {
        ...publishing,
        publish: async (id, request, options) => {
          await publishing.withdraw(id);
          return publishing.publish(id, request, options);
        },
      },
    }),
  ),
  broken(
    'staging',
    'keeps what is withdrawn as the head',
    'publishes and withdraws',
    ({ publishing, images }) => ({
      publishing: {
        ...publishing,
        withdraw: async (id) => ({ ...(await images.get(id)), published: false }),
      },
    }),
  ),
  broken(
    'staging',
    'publishes what is DEPRECATED',
    'refuses to publish',
    ({ publishing, deprecation }) => ({
      publishing: {
        ...publishing,
        publish: async (id, request, options) => {
          try {
            return await publishing.publish(id, request, options);
          } catch (error) {
            if (!ImgkitError.is(error, 'FAILED_PRECONDITION')) throw error;
            await deprecation.set(id, { state: 'ACTIVE' });
            return publishing.publish(id, request, options);
          }
        },
      },
    }),
  ),
  broken('staging', 'takes any name for a family', 'refuses to publish', ({ publishing }) => ({
    publishing: {
      ...publishing,
      publish: (id, request, options) => {
        const family = request.family.replaceAll(/[^a-z0-9]/gu, '') || 'none';
        const named = /^[a-z][-a-z0-9]*$/u.test(request.family) ? request.family : family;
        return publishing.publish(id, { ...request, family: named.slice(0, 60) }, options);
      },
    },
  })),

  broken(
    'deprecation',
    'merges a deprecation into the one before',
    'is replaced as a whole',
    ({ deprecation, images }) => ({
      deprecation: {
        ...deprecation,
        set: async (id, next, options) => {
          const { deprecation: before } = await images.get(id);
          const dates = { ...before.dates, ...next.dates };
          return deprecation.set(id, { ...before, ...next, dates }, options);
        },
      },
    }),
  ),
  broken('deprecation', 'forgets the replacement', 'keeps state', ({ deprecation }) => ({
    deprecation: {
      ...deprecation,
      set: (id, { state, dates }, options) => deprecation.set(id, { state, dates }, options),
    },
  })),
  broken('deprecation', 'takes anything for a date', 'refuses dates', ({ deprecation }) => ({
    deprecation: {
      ...deprecation,
      set: (id, next, options) =>
        deprecation
          .set(id, next, options)
          .catch(() => deprecation.set(id, { ...next, dates: undefined }, options)),
    },
  })),
  broken(
    'deprecation',
    'lets nothing become ACTIVE again',
    'goes from any state',
    ({ deprecation, images }) => ({
      deprecation: {
        ...deprecation,
        set: (id, next, options) =>
          next.state === 'ACTIVE' ? images.get(id) : deprecation.set(id, next, options),
      },
    }),
  ),
  broken(
    'deprecation',
    'makes a DEPRECATED image the head',
    'takes an image from the head',
    ({ publishing, images }) => ({
      publishing: {
        ...publishing,
        head: async (family) => (await collect(images.list({ family, published: true })))[0],
      },
    }),
  ),
  broken(
    'deprecation',
    'claims to enforce OBSOLETE, and doesn’t',
    'refuses new use',
    ({ deprecation }) => ({
      deprecation: { ...deprecation, traits: { ...deprecation.traits, enforcesObsolete: true } },
    }),
    { traits: { deprecation: { enforcesObsolete: false } } },
  ),
  broken(
    'deprecation',
    'doesn’t name the replacement of an OBSOLETE image',
    'refuses new use',
    ({ images, name }) => ({
      images: {
        ...images,
        create: (request, options) =>
          ending(images.create(request, options), (made) =>
            made.catch((error: unknown) => {
              if (!ImgkitError.is(error, 'IMAGE_OBSOLETE')) throw error;
              const details = { provider: name, operation: 'images.create' };
              throw new ImgkitError('IMAGE_OBSOLETE', 'it is OBSOLETE', details);
            }),
          ),
      },
    }),
  ),
];
