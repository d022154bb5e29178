import { everyone, type Principal } from '../../../spec/principal.ts';
import { broken, type Mutation } from './mutation.ts';

/** Broken rules of sharing. */
export const sharingMutations: readonly Mutation[] = [
  {
    topic: 'sharing',
    does: 'shows everybody everything',
    caughtBy: 'lets another project use',
    break: (world) => {
      const { consumer, provider } = world;
      const images = { ...provider.images };
      return { ...world, consumer: { ...consumer, images } };
    },
  },
  broken('sharing', 'grants to everyone', 'lets another project use', ({ sharing }) => ({
    sharing: {
      ...sharing,
      grant: (id, principals, options) => sharing.grant(id, [...principals, everyone()], options),
    },
  })),
  broken('sharing', 'revokes nothing', 'lets another project use', ({ sharing }) => ({
    sharing: { ...sharing, revoke: (id, _, options) => sharing.revoke(id, [], options) },
  })),
  broken('sharing', 'revokes what others were granted', 'keeps apart what', ({ sharing }) => ({
    sharing: {
      ...sharing,
      async revoke(id, _, options) {
        const granted: Principal[] = [];
        for await (const { principal } of sharing.list(id)) granted.push(principal);
        await sharing.revoke(id, granted, options);
      },
    },
  })),
  broken('sharing', 'grants nothing', 'lets another project use', ({ sharing }) => ({
    sharing: { ...sharing, grant: (id, _, options) => sharing.grant(id, [], options) },
  })),
  broken(
    'sharing',
    'says that it shares images, and shares the whole project',
    'reaches no other',
    ({ sharing }) => ({
      sharing: {
        ...sharing,
        traits: { ...sharing.traits, unit: 'image' },
        grant: (id, principals, options) =>
          sharing.grant(id, principals, { ...options, allowWider: true }),
      },
    }),
    { traits: { sharing: { unit: 'project' } } },
  ),
  broken(
    'sharing',
    'shares wider than it is allowed to',
    'refuses what reaches wider',
    ({ sharing }) => ({
      sharing: {
        ...sharing,
        grant: (id, principals, options) =>
          sharing.grant(id, principals, { ...options, allowWider: true }),
      },
    }),
    { traits: { sharing: { unit: 'gallery' } } },
  ),
  broken(
    'sharing',
    'grants to the good ones before it refuses the bad one',
    'grants nothing when',
    ({ sharing }) => ({
      sharing: {
        ...sharing,
        grant: async (id, principals, options) => {
          for (const principal of principals) await sharing.grant(id, [principal], options);
          if (principals.length === 0) await sharing.grant(id, [], options);
        },
      },
    }),
  ),
  broken(
    'sharing',
    'ignores principals that it doesn’t know',
    'grants nothing when',
    ({ sharing }) => ({
      sharing: {
        ...sharing,
        grant: (id, principals, options) =>
          sharing.grant(
            id,
            principals.filter(({ kind }) => sharing.traits.principals.includes(kind)),
            options,
          ),
      },
    }),
  ),
  {
    topic: 'sharing',
    does: 'lets the consumer change what is shared with it',
    caughtBy: 'lets another project use',
    break: (world) => {
      const { consumer, provider } = world;
      return { ...world, consumer: { ...consumer, deprecation: provider.deprecation } };
    },
  },
  {
    topic: 'sharing',
    does: 'shares before the consumer has accepted',
    caughtBy: 'lets another project use',
    cloud: { traits: { sharing: { consumerAccepts: true } } },
    break: (world) => {
      const { sharing } = world.provider;
      const { consumer } = world;
      return {
        ...world,
        provider: {
          ...world.provider,
          sharing: {
            ...sharing,
            grant: async (id, principals, options) => {
              await sharing.grant(id, principals, options);
              await consumer.sharing.accept?.(id);
            },
          },
        },
      };
    },
  },
];
