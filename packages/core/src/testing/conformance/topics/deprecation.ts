import assert from 'node:assert/strict';
import type { Deprecation } from '../../../spec/image.ts';
import { formatRef } from '../../../spec/ref.ts';
import { assertRefused, assertSameInstant, collect } from '../assertions.ts';
import type { ConformanceTopic } from '../topic.ts';

const dates = {
  deprecated: '2031-01-02T03:04:05Z',
  obsolete: '2032-01-02T03:04:05Z',
  deleted: '2033-01-02T03:04:05Z',
} as const;

export const deprecation: ConformanceTopic = {
  name: 'deprecation',
  cases: [
    {
      title: 'keeps state, replacement and dates, and touches nothing else',
      needs: ['deprecation'],
      async run(trial) {
        const { provider } = trial;
        const control = trial.capability('deprecation');
        const old = await trial.image({ description: 'old', labels: { extra: 'yes' } });
        const { ref } = await trial.image();
        const set = { state: 'DEPRECATED', replacement: ref, dates } as const;
        await control.set(old.ref.id, set);
        const answer = await control.set(old.ref.id, set);
        for (const image of [answer, await provider.images.get(old.ref.id)]) {
          const { state, replacement, dates: kept } = image.deprecation;
          assert.equal(state, 'DEPRECATED');
          assert.equal(replacement?.provider, provider.name);
          assert.equal(provider.sameId(replacement?.id ?? '', ref.id), true, 'replacement');
          for (const key of ['deprecated', 'obsolete', 'deleted'] as const) {
            assertSameInstant(kept?.[key], dates[key], key);
          }
          assert.deepEqual(image.labels, old.labels);
          assert.equal(image.description, old.description);
        }
        const filter = { labels: trial.labels, states: ['DEPRECATED'] as const };
        const names = (await collect(provider.images.list(filter))).map(({ name }) => name);
        assert.deepEqual(names, [old.name], 'listed by its state');
      },
    },
    {
      title: 'is replaced as a whole: what is left out is no longer set',
      needs: ['deprecation'],
      async run(trial) {
        const control = trial.capability('deprecation');
        const { ref } = await trial.image();
        const other = await trial.image();
        await control.set(ref.id, { state: 'DEPRECATED', replacement: other.ref, dates });
        await control.set(ref.id, { state: 'OBSOLETE', dates: { deleted: dates.deleted } });
        const partly = (await trial.provider.images.get(ref.id)).deprecation;
        assert.equal(partly.replacement, undefined, 'the replacement must be gone');
        assert.equal(partly.dates?.obsolete, undefined, 'the date must be gone');
        assertSameInstant(partly.dates?.deleted, dates.deleted, 'deleted');
        await control.set(ref.id, { state: 'ACTIVE' });
        const { state, dates: none } = (await trial.provider.images.get(ref.id)).deprecation;
        assert.equal(state, 'ACTIVE');
        assert.deepEqual({ ...none }, {}, 'the dates must be gone');
      },
    },
    {
      title: 'goes from any state to any other',
      needs: ['deprecation'],
      async run(trial) {
        const control = trial.capability('deprecation');
        const { ref } = await trial.image({ deprecation: { state: 'DEPRECATED' } });
        assert.equal((await trial.provider.images.get(ref.id)).deprecation.state, 'DEPRECATED');
        const states = ['OBSOLETE', 'DELETED', 'ACTIVE', 'DELETED', 'OBSOLETE', 'ACTIVE'] as const;
        for (const state of states) {
          assert.equal((await control.set(ref.id, { state })).deprecation.state, state);
        }
      },
    },
    {
      title: 'refuses dates that aren’t, and images that aren’t',
      needs: ['deprecation'],
      async run(trial) {
        const { provider } = trial;
        const control = trial.capability('deprecation');
        const { ref } = await trial.image();
        const wrong: Deprecation = { state: 'DEPRECATED', dates: { obsolete: 'next week' } };
        await assertRefused(provider, control.set(ref.id, wrong), 'INVALID_ARGUMENT');
        const { deprecation: kept } = await provider.images.get(ref.id);
        assert.equal(kept.state, 'ACTIVE', 'a refused call changes nothing');
        const gone = await trial.goneImage();
        await assertRefused(provider, control.set(gone.id, { state: 'DEPRECATED' }), 'NOT_FOUND');
      },
    },
    {
      title: 'takes an image from the head of its family',
      needs: ['deprecation', 'publishing'],
      async run(trial) {
        const publishing = trial.capability('publishing');
        const control = trial.capability('deprecation');
        if (publishing.head === undefined) return;
        const family = trial.name();
        const { ref } = await trial.image({ family, staged: false });
        for (const state of ['DEPRECATED', 'OBSOLETE', 'DELETED'] as const) {
          await control.set(ref.id, { state });
          assert.equal(await publishing.head(family), undefined, `${state} is no head`);
        }
        await control.set(ref.id, { state: 'ACTIVE' });
        assert.equal(
          (await publishing.head(family))?.name,
          (await trial.provider.images.get(ref.id)).name,
        );
      },
    },
    {
      title: 'refuses new use of OBSOLETE and DELETED images, and names the replacement',
      needs: ['deprecation'],
      unless: ({ provider }) => {
        if (provider.deprecation?.traits.enforcesObsolete === false) {
          return 'the cloud doesn’t enforce OBSOLETE';
        }
        const usable =
          provider.images.traits.sources.includes('image') || provider.disks !== undefined;
        return usable ? undefined : 'nothing can be made of an image';
      },
      async run(trial) {
        const { provider } = trial;
        const control = trial.capability('deprecation');
        const { ref } = await trial.image();
        const { ref: replacement } = await trial.image();
        const source = { kind: 'image', image: ref } as const;
        for (const state of ['OBSOLETE', 'DELETED'] as const) {
          await control.set(ref.id, { state, replacement });
          const uses = [
            ...(provider.images.traits.sources.includes('image')
              ? [() => provider.images.create(trial.request({ source }))]
              : []),
            ...(provider.disks === undefined
              ? []
              : [() => trial.capability('disks').create({ ...trial.request(), source })]),
          ];
          for (const use of uses) {
            const error = await assertRefused(provider, use, `IMAGE_${state}`);
            assert.equal(error.replacement, formatRef(replacement));
          }
        }
        await control.set(ref.id, { state: 'DEPRECATED', replacement });
        if (provider.images.traits.sources.includes('image')) await trial.image({ source });
      },
    },
  ],
};
