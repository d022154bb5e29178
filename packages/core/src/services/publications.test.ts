import * as fc from 'fast-check';
import { ContainerModule } from 'inversify';
import { describe, expect, it } from 'vitest';
import { memory } from '../testing/index.ts';
import { tokens } from '../plugin/tokens.ts';
import type { DeprecationControl } from '../spec/capabilities/deprecation.ts';
import type { Publishing } from '../spec/capabilities/publishing.ts';
import type { Deprecation, Image } from '../spec/image.ts';
import { mayBeHead } from './family-head.ts';
import { collect, openTestKit, type TestKit } from './open-test-kit.ts';

/** What of a family's images publications may change, by the name of the image. */
async function snapshot({ kit }: TestKit, family: string) {
  const images = await collect(kit.families.versions('prod', family));
  const entries = images.map(
    ({ name, published, deprecation }) => [name, { published, deprecation }] as const,
  );
  return Object.fromEntries(entries);
}

describe('publish', () => {
  it('makes the image the head, and only then deprecates its predecessors', async () => {
    await using test = await openTestKit();
    const { kit, cloud } = test;
    const one = await test.image('web-1', { family: 'web' });
    const two = await test.image('web-2', { family: 'web' });
    const first = await kit.families.publish(one.ref, { version: '1' });
    expect(first).toMatchObject({ isHead: true, predecessors: [], image: { version: '1' } });

    const from = cloud.calls.length;
    const second = await kit.families.publish(two.ref, { version: '2' });
    expect(second.isHead).toBe(true);
    expect(second.predecessors).toMatchObject([
      { name: 'web-1', deprecation: { state: 'DEPRECATED', replacement: two.ref } },
    ]);
    const changes = cloud.calls
      .slice(from)
      .map(({ operation }) => operation)
      .filter((operation) => /publish$|deprecation\.set/.test(operation));
    expect(changes).toEqual(['publishing.publish', 'deprecation.set']);
  });

  it('keeps the planned dates of predecessors', async () => {
    await using test = await openTestKit();
    const one = await test.image('web-1', { family: 'web' });
    const two = await test.image('web-2', { family: 'web' });
    await test.kit.families.publish(one.ref);
    const dates = { obsolete: '2027-01-01T00:00:00.000Z' };
    await test.kit.deprecation.schedule(one.ref, dates);
    await test.kit.families.publish(two.ref, { deprecatePredecessors: 'OBSOLETE' });
    const { deprecation } = await test.kit.images.get(one.ref);
    expect(deprecation).toMatchObject({ state: 'OBSOLETE', dates });
  });

  it('leaves predecessors when told to', async () => {
    await using test = await openTestKit();
    const one = await test.image('web-1', { family: 'web' });
    const two = await test.image('web-2', { family: 'web' });
    await test.kit.families.publish(one.ref);
    await test.kit.families.publish(two.ref, { deprecatePredecessors: false });
    expect(await test.kit.images.get(one.ref)).toMatchObject({ deprecation: { state: 'ACTIVE' } });
  });

  it('changes nothing, and gives the same result, the second time', async () => {
    await using test = await openTestKit();
    const one = await test.image('web-1', { family: 'web' });
    const two = await test.image('web-2', { family: 'web' });
    await test.kit.families.publish(one.ref);
    const result = await test.kit.families.publish(two.ref);
    const before = test.cloud.count('deprecation.set') + test.cloud.count('publishing.publish');
    expect(await test.kit.families.publish(two.ref)).toEqual(result);
    expect(test.cloud.count('deprecation.set') + test.cloud.count('publishing.publish')).toBe(
      before,
    );
  });

  it('gives a published image another version when asked to, and takes it back', async () => {
    await using test = await openTestKit();
    const { ref } = await test.image('web-1', { family: 'web' });
    await test.kit.families.publish(ref, { version: '1' });
    const { image } = await test.kit.families.publish(ref, { version: '1.1' });
    expect(image).toMatchObject({ version: '1.1', published: true });
    // A rollback leaves what somebody has changed since.
    const undone = await test.kit.families.rollback('prod', 'web');
    expect(undone.image).toMatchObject({ version: '1', published: true });
    await test.kit.families.publish(ref, { version: '1.2' });
    const { publishing } = test.kit.providers.require('prod', 'publishing');
    await publishing.publish(ref.id, { family: 'web', version: '9' });
    const left = await test.kit.families.rollback('prod', 'web');
    expect(left.image).toMatchObject({ version: '9', published: true });
  });

  it('refuses what is not ACTIVE, of another family, or of none', async () => {
    await using test = await openTestKit();
    const { kit } = test;
    const old = await test.image('web-1', { family: 'web' });
    await kit.deprecation.set(old.ref, { state: 'OBSOLETE' });
    await expect(kit.families.publish(old.ref)).rejects.toMatchObject({
      code: 'FAILED_PRECONDITION',
    });
    const other = await test.image('db-1', { family: 'db' });
    await kit.families.publish(other.ref);
    await expect(kit.families.publish(other.ref, { family: 'web' })).rejects.toMatchObject({
      code: 'FAILED_PRECONDITION',
      message: expect.stringContaining('published in family "db"'),
    });
    const loose = await test.image('loose');
    await expect(kit.families.publish(loose.ref)).rejects.toMatchObject({
      code: 'INVALID_ARGUMENT',
    });
    await expect(kit.families.publish(loose.ref, { family: 'No!' })).rejects.toMatchObject({
      code: 'INVALID_ARGUMENT',
    });
    expect(test.cloud.count('publishing.publish')).toBe(1);
  });

  it('is done one after the other when many kits publish at once', async () => {
    await using test = await openTestKit();
    const { stateDirectory } = test.kit;
    await using other = await openTestKit({ cloud: test.cloud, stateDirectory });
    const images: Image[] = [];
    for (const n of [1, 2, 3, 4]) images.push(await test.image(`web-${n}`, { family: 'web' }));
    await Promise.all(
      images.map(({ ref }, n) => (n % 2 === 0 ? test : other).kit.families.publish(ref)),
    );
    const states = Object.values(await snapshot(test, 'web')).map((one) => one.deprecation.state);
    expect(states.toSorted()).toEqual(['ACTIVE', 'DEPRECATED', 'DEPRECATED', 'DEPRECATED']);
  });
});

describe('rollback', () => {
  it('restores before it withdraws, so that there always is a head', async () => {
    await using test = await openTestKit();
    const one = await test.image('web-1', { family: 'web' });
    const two = await test.image('web-2', { family: 'web' });
    await test.kit.families.publish(one.ref);
    const { undo } = await test.kit.families.publish(two.ref);
    const from = test.cloud.calls.length;
    const result = await test.kit.families.rollback('prod', 'web', { undo });
    expect(result).toMatchObject({
      image: { name: 'web-2', published: false },
      restored: [{ name: 'web-1', deprecation: { state: 'ACTIVE' } }],
      untouched: [],
      head: { name: 'web-1' },
    });
    const changes = test.cloud.calls
      .slice(from)
      .map(({ operation }) => operation)
      .filter((operation) => /withdraw|deprecation\.set/.test(operation));
    expect(changes).toEqual(['deprecation.set', 'publishing.withdraw']);
  });

  it('leaves what somebody changed since, and says so', async () => {
    await using test = await openTestKit();
    const one = await test.image('web-1', { family: 'web' });
    const two = await test.image('web-2', { family: 'web' });
    await test.kit.families.publish(one.ref);
    await test.kit.families.publish(two.ref);
    await test.kit.deprecation.set(one.ref, { state: 'DELETED' });
    const result = await test.kit.families.rollback('prod', 'web');
    expect(result.untouched).toMatchObject([{ image: one.ref }]);
    expect(await test.kit.images.get(one.ref)).toMatchObject({ deprecation: { state: 'DELETED' } });
  });

  it('goes back publication by publication, and says when there is none left', async () => {
    await using test = await openTestKit();
    const { families } = test.kit;
    const undos: string[] = [];
    for (const n of [1, 2]) {
      const image = await test.image(`web-${n}`, { family: 'web' });
      undos.push((await families.publish(image.ref)).undo);
    }
    await expect(families.rollback('prod', 'web', { undo: undos[0] ?? '' })).rejects.toMatchObject({
      code: 'FAILED_PRECONDITION',
    });
    await families.rollback('prod', 'web');
    expect(await families.rollback('prod', 'web')).toMatchObject({ image: { name: 'web-1' } });
    await expect(families.rollback('prod', 'web')).rejects.toMatchObject({
      code: 'FAILED_PRECONDITION',
    });
  });

  it('gives every image exactly what it had, whatever that was', async () => {
    await using test = await openTestKit();
    const { kit } = test;
    let round = 0;
    const plans = fc.array(
      fc.record({
        published: fc.boolean(),
        state: fc.constantFrom('ACTIVE', 'DEPRECATED', 'OBSOLETE', 'DELETED'),
        replaced: fc.boolean(),
        obsolete: fc.option(fc.integer({ min: 1, max: 900 }), { nil: undefined }),
      }),
      { minLength: 1, maxLength: 4 },
    );
    const kinds = fc.constantFrom('DEPRECATED' as const, 'OBSOLETE' as const, false as const);
    await fc.assert(
      fc.asyncProperty(plans, kinds, async (images, deprecatePredecessors) => {
        const family = `f${(round += 1)}`;
        const other = await test.image(`${family}-other`);
        for (const [index, plan] of images.entries()) {
          const image = await test.image(`${family}-${index}`, { family });
          if (plan.published)
            await kit.providers
              .require('prod', 'publishing')
              .publishing.publish(image.ref.id, { family });
          const obsolete =
            plan.obsolete === undefined
              ? undefined
              : new Date(Date.UTC(2027, 0, plan.obsolete)).toISOString();
          const deprecation: Deprecation = {
            state: plan.state,
            ...(plan.replaced ? { replacement: other.ref } : {}),
            ...(obsolete === undefined ? {} : { dates: { obsolete } }),
          };
          await kit.deprecation.set(image.ref, deprecation);
        }
        const next = await test.image(`${family}-next`, { family });
        const before = await snapshot(test, family);
        await kit.families.publish(next.ref, { deprecatePredecessors });
        const { head } = await kit.families.rollback('prod', family);
        expect(await snapshot(test, family)).toEqual(before);
        expect(head === undefined || mayBeHead(head)).toBe(true);
      }),
      { numRuns: 25 },
    );
  });
});

/** Two published images, and a third staged one. */
async function setUp(test: TestKit): Promise<Image> {
  for (const n of [1, 2]) {
    const image = await test.image(`web-${n}`, { family: 'web' });
    await test.kit.families.publish(image.ref, { deprecatePredecessors: false });
  }
  return test.image('web-3', { family: 'web' });
}

describe('a crash', () => {
  const crash = new Error('the process is gone');

  /** Replaces two pieces of the provider: all changes after the first `limit` are lost with the process. */
  function crashing(limit: number, when: 'before' | 'after') {
    let left = limit;
    const change = async <T>(make: () => Promise<T>): Promise<T> => {
      if (left < 0) throw crash;
      left -= 1;
      if (left >= 0) return make();
      if (when === 'after') await make();
      throw crash;
    };
    return new ContainerModule(({ onActivation }) => {
      onActivation<Publishing>(tokens.publishing, (_, publishing) => ({
        ...publishing,
        publish: (...call) => change(() => publishing.publish(...call)),
        withdraw: (...call) => change(() => publishing.withdraw(...call)),
      }));
      onActivation<DeprecationControl>(tokens.deprecation, (_, control) => ({
        ...control,
        set: (...call) => change(() => control.set(...call)),
      }));
    });
  }

  const moments = [0, 1, 2].flatMap((limit) =>
    (['before', 'after'] as const).map((when) => ({ limit, when })),
  );

  it.each(moments)(
    '$when change $limit of a publication: publishing again finishes it',
    async (moment) => {
      await using test = await openTestKit();
      const image = await setUp(test);
      const before = await snapshot(test, 'web');
      {
        await using doomed = await openTestKit({
          cloud: test.cloud,
          stateDirectory: test.kit.stateDirectory,
          providers: (cloud) => [
            memory({ name: 'prod', cloud, overrides: [crashing(moment.limit, moment.when)] }),
          ],
        });
        await expect(doomed.kit.families.publish(image.ref)).rejects.toBe(crash);
      }
      const result = await test.kit.families.publish(image.ref);
      expect(result.isHead).toBe(true);
      expect(
        Object.values(await snapshot(test, 'web')).map((one) => one.deprecation.state),
      ).toEqual(['ACTIVE', 'DEPRECATED', 'DEPRECATED']);
      await test.kit.families.rollback('prod', 'web');
      expect(await snapshot(test, 'web')).toEqual(before);
    },
  );

  it.each(moments)(
    '$when change $limit of a publication: rolling back undoes it',
    async (moment) => {
      await using test = await openTestKit();
      const image = await setUp(test);
      const before = await snapshot(test, 'web');
      {
        await using doomed = await openTestKit({
          cloud: test.cloud,
          stateDirectory: test.kit.stateDirectory,
          providers: (cloud) => [
            memory({ name: 'prod', cloud, overrides: [crashing(moment.limit, moment.when)] }),
          ],
        });
        await expect(doomed.kit.families.publish(image.ref)).rejects.toBe(crash);
      }
      await test.kit.families.rollback('prod', 'web');
      expect(await snapshot(test, 'web')).toEqual(before);
    },
  );

  it.each(moments)(
    '$when change $limit of a rollback: the next publication finishes it first',
    async (moment) => {
      await using test = await openTestKit();
      const image = await setUp(test);
      const before = await snapshot(test, 'web');
      await test.kit.families.publish(image.ref);
      {
        await using doomed = await openTestKit({
          cloud: test.cloud,
          stateDirectory: test.kit.stateDirectory,
          providers: (cloud) => [
            memory({ name: 'prod', cloud, overrides: [crashing(moment.limit, moment.when)] }),
          ],
        });
        await expect(doomed.kit.families.rollback('prod', 'web')).rejects.toBe(crash);
      }
      await test.kit.families.publish(image.ref);
      await test.kit.families.rollback('prod', 'web');
      expect(await snapshot(test, 'web')).toEqual(before);
    },
  );
});
