import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { memory } from '../testing/index.ts';
import { family } from '../spec/family.ts';
import { deprecationStates } from '../spec/image.ts';
import type { Image } from '../spec/image.ts';
import { newestFirst } from './family-head.ts';
import { collect, openTestKit } from './open-test-kit.ts';

const clouds = [{ nativeHead: true }, { nativeHead: false }];

describe.each(clouds)('the head of a family, nativeHead: $nativeHead', (publishing) => {
  it('is the one that was published last', async () => {
    await using test = await openTestKit({ traits: { publishing } });
    const { families } = test.kit;
    const one = await test.image('web-1', { family: 'web' });
    const two = await test.image('web-2', { family: 'web' });
    await families.publish(two.ref);
    await families.publish(one.ref);
    expect(await families.head('prod', 'web')).toMatchObject({ name: 'web-1' });
    await families.withdraw(one.ref);
    await expect(families.head('prod', 'web')).rejects.toMatchObject({
      code: 'NOT_FOUND',
      message: expect.stringContaining('none of its 2 images'),
    });
  });

  it('is never staged, and never anything but READY and ACTIVE', async () => {
    await using test = await openTestKit({ traits: { publishing } });
    const { kit } = test;
    let round = 0;
    const step = fc.record({
      image: fc.nat({ max: 3 }),
      act: fc.constantFrom('publish', 'withdraw', 'rollback', ...deprecationStates),
    });
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 12 }), async (steps) => {
        const name = `f${(round += 1)}`;
        const images: Image[] = [];
        for (const n of [0, 1, 2, 3])
          images.push(await test.image(`${name}-${n}`, { family: name }));
        for (const { image, act } of steps) {
          const ref = images[image]?.ref ?? '';
          const change =
            act === 'publish'
              ? kit.families.publish(ref)
              : act === 'withdraw'
                ? kit.families.withdraw(ref)
                : act === 'rollback'
                  ? kit.families.rollback('prod', name)
                  : kit.deprecation.set(ref, { state: act });
          await change.catch(() => undefined); // a refusal must leave the family sound too
          const usable = (await collect(kit.families.versions('prod', name))).find(
            (one) => one.published && one.status === 'READY' && one.deprecation.state === 'ACTIVE',
          );
          const head = await kit.families.head('prod', name).catch(() => undefined);
          expect(head?.name).toBe(usable?.name);
        }
      }),
      { numRuns: 30 },
    );
  });
});

describe('an unknown family', () => {
  it('is NOT_FOUND, with those of a like name', async () => {
    await using test = await openTestKit();
    for (const name of ['web-server', 'web-proxy', 'db']) {
      const image = await test.image(`${name}-1`, { family: name });
      await test.kit.families.publish(image.ref);
    }
    await expect(test.kit.families.head('prod', 'web-sever')).rejects.toMatchObject({
      code: 'NOT_FOUND',
      hint: 'Did you mean: web-server?',
    });
    await expect(test.kit.families.head('prod', 'zzz')).rejects.toMatchObject({
      hint: 'There are: db, web-proxy, web-server.',
    });
    await expect(test.kit.families.head('nope', 'web')).rejects.toMatchObject({
      code: 'PROVIDER_NOT_FOUND',
    });
  });

  it('has no versions', async () => {
    await using test = await openTestKit();
    expect(await collect(test.kit.families.versions('prod', 'nope'))).toEqual([]);
  });
});

describe('families', () => {
  it('are listed with their heads', async () => {
    await using test = await openTestKit();
    const web = await test.image('web-1', { family: 'web' });
    await test.image('db-1', { family: 'db' });
    await test.kit.families.publish(web.ref);
    expect(await collect(test.kit.families.list('prod'))).toMatchObject([
      { name: 'db', images: 1, head: undefined },
      { name: 'web', images: 1, head: { name: 'web-1' } },
    ]);
  });

  it('of another project are looked up there', async () => {
    await using test = await openTestKit({
      providers: (cloud) => [
        memory({ name: 'prod', cloud, project: 'shared' }),
        memory({ name: 'team', cloud, project: 'team' }),
      ],
    });
    const image = await test.image('web-1', { family: 'web' });
    await test.kit.families.publish(image.ref);
    await test.kit.sharing.grant(image.ref, [{ kind: 'project', id: 'team' }]);
    const head = await test.kit.families.head('team', family('web', { project: 'shared' }));
    expect(head).toMatchObject({ name: 'web-1', project: 'shared', ref: { provider: 'team' } });
  });
});

/** An image with only what its place in the order depends on. */
const full = ({
  id,
  ...rest
}: { id: string } & Pick<Image, 'name' | 'createdAt' | 'version' | 'publishedAt'>): Image => ({
  ...rest,
  ref: { provider: 'prod', id },
  project: 'p',
  published: true,
  status: 'READY',
  deprecation: { state: 'ACTIVE' },
  diskSizeBytes: 1,
  labels: {},
});

describe('the order of versions', () => {
  const instants = fc.constantFrom(
    '2026-01-01T00:00:00Z',
    '2026-01-02T00:00:00Z',
    '2026-01-01T01:00:00+01:00',
  );
  const image = fc.record({
    name: fc.constantFrom('a-2', 'a-10', 'b'),
    version: fc.constantFrom(undefined, '1.9', '1.10'),
    createdAt: instants,
    publishedAt: fc.option(instants, { nil: undefined }),
    id: fc.integer({ min: 0, max: 5 }).map((n) => `id-${n}`),
  });
  it("doesn't depend on how they were listed", () => {
    fc.assert(
      fc.property(fc.uniqueArray(image, { selector: ({ id }) => id }), fc.nat(), (images, seed) => {
        const listed = images.map(full);
        const shuffled = listed.toSorted(
          (a, b) => ((a.ref.id.charCodeAt(3) * seed) % 7) - ((b.ref.id.charCodeAt(3) * seed) % 7),
        );
        expect(shuffled.toSorted(newestFirst)).toEqual(listed.toSorted(newestFirst));
      }),
    );
  });

  it('takes a later version first among equals, by number', () => {
    const at = { createdAt: '2026-01-01T00:00:00Z', name: 'x' };
    const [first] = [
      full({ ...at, id: 'a', version: '1.9' }),
      full({ ...at, id: 'b', version: '1.10' }),
    ].toSorted(newestFirst);
    expect(first?.ref.id).toBe('b');
  });
});
