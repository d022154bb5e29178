import assert from 'node:assert/strict';
import type { NameRule } from '../../../spec/capabilities/images.ts';
import type { ImageSource } from '../../../spec/image.ts';
import { assertInstant, assertRefused, assertSame } from '../assertions.ts';
import type { ConformanceTopic } from '../topic.ts';

export const images: ConformanceTopic = {
  name: 'images',
  cases: [
    {
      title: 'makes an image of all that it is given',
      async run(trial) {
        const { provider } = trial;
        const request = trial.request({
          description: 'Made by the suite.',
          labels: { extra: 'yes' },
        });
        const image = await provider.images.create(request);
        trial.track('image', image.ref.id);
        assert.equal(image.ref.provider, provider.name);
        assert.equal(image.project, provider.project);
        assert.equal(image.name, request.name);
        assert.equal(image.description, request.description);
        assert.equal(image.status, 'READY');
        assert.equal(image.deprecation.state, 'ACTIVE');
        assert.equal(image.published, false, 'an image without a family isn’t published');
        for (const [key, value] of Object.entries(request.labels ?? {})) {
          assert.equal(image.labels[key], value, `label ${key}`);
        }
        assertInstant(image.createdAt, 'createdAt');
        assert.ok(image.diskSizeBytes > 0, 'diskSizeBytes must be known');
        if (provider.images.traits.digests)
          assert.match(image.digest ?? '', /^sha256:[0-9a-f]{64}$/);
        const got = await provider.images.get(image.ref.id);
        assertSame(got, image, 'get must give what create gave');
      },
    },
    {
      title: 'changes labels and description, and nothing else',
      async run(trial) {
        const { provider } = trial;
        const before = await trial.image({ description: 'old', labels: { a: '1', b: '2' } });
        const { id } = before.ref;
        const labels = { a: null, c: '3' };
        const changed = await provider.images.update(id, { labels, description: 'new' });
        const kept = { ...trial.labels, b: '2', c: '3' };
        for (const image of [changed, await provider.images.get(id)]) {
          assert.deepEqual({ ...image.labels }, kept);
          assert.equal(image.description, 'new');
          assert.equal(image.createdAt, before.createdAt);
          assert.deepEqual(image.deprecation, before.deprecation);
        }
        const again = await provider.images.update(id, { labels: { b: '4' } });
        assert.equal(again.description, 'new', 'what is left out stays');
        assert.deepEqual({ ...again.labels }, { ...kept, b: '4' });
        await assertRefused(
          provider,
          provider.images.update((await trial.goneImage()).id, { description: 'x' }),
          'NOT_FOUND',
        );
      },
    },
    {
      title: 'deletes an image for good, once or twice',
      async run(trial) {
        const { provider } = trial;
        const { ref, name } = await trial.image();
        await provider.images.delete(ref.id);
        await assertRefused(provider, provider.images.get(ref.id), 'NOT_FOUND');
        await provider.images.delete(ref.id);
        const again = await trial.image({ name });
        assert.equal(again.status, 'READY', 'its name must be free again');
      },
    },
    {
      title: 'has no image under an id that it never gave',
      async run({ provider }) {
        await assertRefused(provider, provider.images.get('no such image'), 'NOT_FOUND');
      },
    },
    {
      title: 'refuses names that break its rule, before anything is made',
      async run(trial) {
        const { provider } = trial;
        const { imageName, familyName } = provider.images.traits;
        for (const name of badNames(imageName)) {
          const request = trial.request({ name });
          await assertRefused(provider, provider.images.create(request), 'INVALID_ARGUMENT');
        }
        for (const family of badNames(familyName)) {
          const request = trial.request({ family, staged: true });
          await assertRefused(provider, provider.images.create(request), 'INVALID_ARGUMENT');
        }
        await trial.assertNothingLeft('a refused request');
      },
    },
    {
      title: 'refuses a name that is taken, and leaves what has it alone',
      async run(trial) {
        const { provider } = trial;
        const { ref, name, createdAt } = await trial.image();
        const request = trial.request({ name });
        await assertRefused(provider, provider.images.create(request), 'ALREADY_EXISTS');
        assert.equal((await provider.images.get(ref.id)).createdAt, createdAt);
      },
    },
    {
      title: 'refuses sources that aren’t there, and kinds that it doesn’t take',
      async run(trial) {
        const { provider } = trial;
        const { sources } = provider.images.traits;
        const image = await trial.goneImage();
        const missing: readonly ImageSource[] = [
          { kind: 'image', image },
          { kind: 'disk', disk: image.id },
          { kind: 'snapshot', snapshot: image.id },
          { kind: 'instance', instance: image.id },
        ];
        for (const source of missing) {
          const code = sources.includes(source.kind) ? 'NOT_FOUND' : 'UNSUPPORTED';
          const request = trial.request({ source });
          await assertRefused(provider, provider.images.create(request), code);
        }
        await trial.assertNothingLeft('a refused request');
      },
    },
    {
      title: 'makes an image of an image',
      unless: ({ provider }) =>
        provider.images.traits.sources.includes('image') ? undefined : 'no source of that kind',
      async run(trial) {
        const parent = await trial.image();
        const child = await trial.image({ source: { kind: 'image', image: parent.ref } });
        assert.equal(child.diskSizeBytes, parent.diskSizeBytes);
        assert.equal(child.architecture, parent.architecture);
        await trial.provider.images.delete(parent.ref.id);
        assert.equal((await trial.provider.images.get(child.ref.id)).status, 'READY');
      },
    },
  ],
};

/** Names that a rule doesn't allow; none when it allows everything that was thought of. */
export function badNames({ pattern }: NameRule): readonly string[] {
  return ['', '-', 'Bad Name!', '../escape', 'x'.repeat(300)].filter((name) => !pattern.test(name));
}
