import assert from 'node:assert/strict';
import { setImmediate as turn } from 'node:timers/promises';
import type { Image } from '../../../spec/image.ts';
import { assertInstant, assertRefused, collect } from '../assertions.ts';
import type { ConformanceTopic } from '../topic.ts';
import type { Trial } from '../trial.ts';
import { badNames } from './images.ts';

/** The heads that a family could be said to have: the cloud's own, and what the listing gives. */
async function heads(trial: Trial, family: string): Promise<readonly (string | undefined)[]> {
  const publishing = trial.capability('publishing');
  const native = await publishing.head?.(family);
  const candidates = await collect(
    trial.provider.images.list({ family, published: true, states: ['ACTIVE'], status: ['READY'] }),
  );
  const [newest] = candidates.toSorted((a, b) => published(b) - published(a));
  return publishing.head === undefined ? [newest?.name] : [native?.name, newest?.name];
}

function published({ publishedAt, createdAt }: Image): number {
  return Date.parse(publishedAt ?? createdAt);
}

/** Everything that was seen as the head of a family while something went on. */
async function watchHeads<T>(
  trial: Trial,
  family: string,
  work: () => PromiseLike<T>,
): Promise<{ readonly result: T; readonly seen: ReadonlySet<string | undefined> }> {
  const seen = new Set<string | undefined>();
  const going = { on: true };
  const watch = (async () => {
    while (going.on) {
      for (const head of await heads(trial, family)) seen.add(head);
      await turn();
    }
  })();
  try {
    return { result: await work(), seen };
  } finally {
    going.on = false;
    await watch;
  }
}

async function assertHead(trial: Trial, family: string, name: string | undefined, why: string) {
  for (const head of await heads(trial, family)) assert.equal(head, name, why);
}

export const staging: ConformanceTopic = {
  name: 'staging',
  cases: [
    {
      title: 'keeps a staged image from being the head until it is published',
      needs: ['publishing'],
      async run(trial) {
        const publishing = trial.capability('publishing');
        const family = trial.name();
        await assertHead(trial, family, undefined, 'an unknown family has no head');
        const first = await trial.image({ family, version: '1', staged: true });
        assert.equal(first.published, false);
        assert.equal(first.family, family);
        await assertHead(trial, family, undefined, 'a staged image is no head');
        const one = await publishing.publish(first.ref.id, { family, version: '1' });
        assert.equal(one.published, true);
        assert.equal(one.family, family);
        assert.equal(one.version, '1');
        assertInstant(one.publishedAt, 'publishedAt');
        await assertHead(trial, family, first.name, 'a published image is the head');

        const making = await watchHeads(trial, family, () => trial.image({ family, staged: true }));
        assert.deepEqual([...making.seen], [first.name], 'seen as the head while one was made');
        await assertHead(trial, family, first.name, 'a later staged image is no head');
        const second = making.result;
        const change = await watchHeads(trial, family, () =>
          publishing.publish(second.ref.id, { family, version: '2' }),
        );
        change.seen.forEach((name) => {
          assert.ok(name === first.name || name === second.name, `${name} was seen as the head`);
        });
        await assertHead(trial, family, second.name, 'the last published image is the head');
      },
    },
    {
      title: 'publishes and withdraws as often as it is told',
      needs: ['publishing'],
      async run(trial) {
        const publishing = trial.capability('publishing');
        const family = trial.name();
        const { ref } = await trial.image({ family, version: '7', staged: true });
        const once = await publishing.publish(ref.id, { family, version: '7' });
        const twice = await publishing.publish(ref.id, { family, version: '7' });
        assert.equal(twice.publishedAt, once.publishedAt, 'publishing again changes nothing');
        const back = await publishing.withdraw(ref.id);
        assert.equal(back.published, false);
        assert.equal(back.family, family, 'it keeps its family');
        assert.equal(back.version, '7', 'it keeps its version');
        await assertHead(trial, family, undefined, 'a withdrawn image is no head');
        assert.equal((await publishing.withdraw(ref.id)).published, false);
        assert.equal((await publishing.publish(ref.id, { family })).published, true);
      },
    },
    {
      title: 'publishes at once what isn’t staged',
      needs: ['publishing'],
      async run(trial) {
        const family = trial.name();
        const image = await trial.image({ family, staged: false });
        assert.equal(image.published, true);
        assertInstant(image.publishedAt, 'publishedAt');
        await assertHead(trial, family, image.name, 'it is the head');
      },
    },
    {
      title: 'refuses to publish what isn’t there, isn’t ACTIVE, or has no good family',
      needs: ['publishing'],
      async run(trial) {
        const { provider } = trial;
        const publishing = trial.capability('publishing');
        const family = trial.name();
        const gone = await trial.goneImage();
        await assertRefused(provider, publishing.publish(gone.id, { family }), 'NOT_FOUND');
        await assertRefused(provider, publishing.withdraw(gone.id), 'NOT_FOUND');
        const { ref } = await trial.image({ family, staged: true });
        for (const bad of badNames(provider.images.traits.familyName)) {
          const refused = publishing.publish(ref.id, { family: bad });
          await assertRefused(provider, refused, 'INVALID_ARGUMENT');
        }
        if (provider.deprecation === undefined) return;
        await provider.deprecation.set(ref.id, { state: 'DEPRECATED' });
        await assertRefused(
          provider,
          publishing.publish(ref.id, { family }),
          'FAILED_PRECONDITION',
        );
        assert.equal((await provider.images.get(ref.id)).published, false);
      },
    },
  ],
};
