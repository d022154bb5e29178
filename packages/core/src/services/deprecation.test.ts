import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { memory } from '../testing/index.ts';
import type { Image } from '../spec/image.ts';
import { collect, openTestKit, steppingClock } from './open-test-kit.ts';
import { followReplacements } from './replacement-chain.ts';

describe('deprecation.set', () => {
  it('replaces all of it, and reactivate takes all of it back', async () => {
    await using test = await openTestKit();
    const old = await test.image('web-1');
    const next = await test.image('web-2');
    const { deprecation } = test.kit;
    const dates = { obsolete: '2027-01-01T00:00:00.000Z' };
    await deprecation.set(old.ref, { state: 'DEPRECATED', replacement: next.ref, dates });
    await deprecation.set(old.ref, { state: 'DEPRECATED', replacement: next.ref });
    expect((await test.kit.images.get(old.ref)).deprecation.dates).toBeUndefined();
    const again = await deprecation.reactivate(old.ref);
    expect(again.deprecation).toEqual({ state: 'ACTIVE' });
  });

  it.each([
    [{ obsolete: 'soon' }, 'which is no instant'],
    [{ obsolete: '2027-01-01' }, 'which is no instant'],
    [{ obsolete: '2027-13-01T00:00:00Z' }, 'which is no instant'],
    [{ deprecated: '2027-02-01T00:00:00Z', obsolete: '2027-01-01T00:00:00Z' }, 'comes before'],
    [{ deprecated: '2027-02-01T00:00:00Z', deleted: '2027-01-01T00:00:00Z' }, 'comes before'],
  ])('refuses the dates %j', async (dates, message) => {
    await using test = await openTestKit();
    const image = await test.image('web-1');
    await expect(
      test.kit.deprecation.set(image.ref, { state: 'ACTIVE', dates }),
    ).rejects.toMatchObject({
      code: 'INVALID_ARGUMENT',
      message: expect.stringContaining(message),
    });
    expect(test.cloud.count('deprecation.set')).toBe(0);
  });

  it('refuses a replacement that is not there', async () => {
    await using test = await openTestKit();
    const image = await test.image('web-1');
    const replacement = { provider: 'prod', id: `${image.ref.id}-not` };
    await expect(
      test.kit.deprecation.set(image.ref, { state: 'DEPRECATED', replacement }),
    ).rejects.toMatchObject({ code: 'NOT_FOUND' });
    expect(test.cloud.count('deprecation.set')).toBe(0);
  });

  it('never closes a circle of replacements, across providers and at once', async () => {
    await using test = await openTestKit({
      providers: (cloud) => [
        memory({ name: 'prod', cloud }),
        memory({ name: 'lab', project: 'lab' }),
      ],
    });
    const { kit } = test;
    const images: Image[] = [];
    for (const n of [0, 1, 2]) images.push(await test.image(`web-${n}`));
    const { disks } = kit.providers.require('lab', 'disks');
    const disk = await disks.create({ name: 'd', sizeBytes: 1_048_576 });
    for (const n of [0, 1]) {
      images.push(
        await kit.images.create('lab', {
          name: `lab-${n}`,
          source: { kind: 'disk', disk: disk.id },
        }),
      );
    }
    const index = fc.nat({ max: images.length - 1 });
    const pairs = fc.array(fc.tuple(index, index), { minLength: 1, maxLength: 10 });
    let refused = 0;
    await fc.assert(
      fc.asyncProperty(pairs, async (sets) => {
        for (const { ref } of images) await kit.deprecation.reactivate(ref);
        const results = await Promise.allSettled(
          sets.map(([of, by]) =>
            kit.deprecation.set(images[of]?.ref ?? '', {
              state: 'DEPRECATED',
              replacement: images[by]?.ref,
            }),
          ),
        );
        for (const result of results) {
          if (result.status === 'fulfilled') continue;
          expect(result.reason).toMatchObject({ code: 'INVALID_ARGUMENT' });
          refused += 1;
        }
        for (const { ref } of images) {
          const chain = await collect(followReplacements(kit.providers, await kit.images.get(ref)));
          expect(chain.length).toBeLessThan(images.length);
        }
      }),
      { numRuns: 30 },
    );
    expect(refused).toBeGreaterThan(0);
  });

  it('follows a chain of replacements to its end', async () => {
    await using test = await openTestKit();
    const [a, b, c] = [await test.image('a'), await test.image('b'), await test.image('c')];
    const { deprecation } = test.kit;
    await deprecation.set(a.ref, { state: 'OBSOLETE', replacement: b.ref });
    await deprecation.set(b.ref, { state: 'DEPRECATED', replacement: c.ref });
    expect(await deprecation.replacement(a.ref)).toMatchObject({ name: 'c' });
    expect(await deprecation.replacement(c.ref)).toBeUndefined();
  });
});

describe('deprecation.tick', () => {
  const dates = {
    deprecated: '2026-11-22T00:00:00.000Z',
    obsolete: '2026-11-23T00:00:00.000Z',
    deleted: '2026-11-24T00:00:00.000Z',
  };
  const dayMs = 24 * 60 * 60 * 1000;

  it('carries out what is due, and nothing before', async () => {
    const clock = steppingClock();
    await using test = await openTestKit({ clock });
    const { deprecation, images } = test.kit;
    const image = await test.image('web-1');
    const plain = await test.image('web-2');
    await deprecation.schedule(image.ref, dates);
    expect((await deprecation.tick()).changes).toEqual([]);

    clock.pass(dayMs);
    const dry = await deprecation.tick({ dryRun: true });
    expect(dry.changes).toMatchObject([{ to: 'DEPRECATED', outcome: 'PLANNED' }]);
    expect(await images.get(image.ref)).toMatchObject({ deprecation: { state: 'ACTIVE' } });

    for (const state of ['DEPRECATED', 'OBSOLETE', 'DELETED']) {
      const { changes } = await deprecation.tick();
      expect(changes).toMatchObject([{ name: 'web-1', to: state, outcome: 'DONE' }]);
      expect((await deprecation.tick()).changes).toEqual([]);
      expect((await images.get(image.ref)).deprecation).toMatchObject({ state, dates });
      clock.pass(dayMs);
    }
    expect(await images.get(plain.ref)).toMatchObject({ deprecation: { state: 'ACTIVE' } });
  });

  it('goes straight to the last state whose date has come', async () => {
    const clock = steppingClock();
    await using test = await openTestKit({ clock });
    const image = await test.image('web-1');
    await test.kit.deprecation.schedule(image.ref, dates);
    clock.pass(2 * dayMs);
    expect((await test.kit.deprecation.tick()).changes).toMatchObject([
      { from: 'ACTIVE', to: 'OBSOLETE', date: dates.obsolete },
    ]);
  });

  it('goes on after a failure, and says what failed', async () => {
    const clock = steppingClock();
    await using test = await openTestKit({ clock });
    for (const name of ['web-1', 'web-2']) {
      await test.kit.deprecation.schedule((await test.image(name)).ref, dates);
    }
    clock.pass(dayMs);
    test.cloud.faults.fail('deprecation.set', { code: 'PERMISSION_DENIED' });
    const { changes } = await test.kit.deprecation.tick();
    expect(changes.map(({ outcome }) => outcome).toSorted()).toEqual(['DONE', 'FAILED']);
    test.cloud.faults.fail('images.list', { code: 'UNAVAILABLE' });
    expect((await test.kit.deprecation.tick()).unanswered).toMatchObject([{ provider: 'prod' }]);
    expect((await test.kit.deprecation.tick()).changes).toMatchObject([{ outcome: 'DONE' }]);
  });

  it('leaves it to a cloud that carries dates out itself', async () => {
    const clock = steppingClock();
    await using test = await openTestKit({
      clock,
      traits: { deprecation: { carriesOutDates: true } },
    });
    const image = await test.image('web-1');
    await test.kit.deprecation.schedule(image.ref, dates);
    clock.pass(dayMs);
    const sets = test.cloud.count('deprecation.set');
    expect((await test.kit.deprecation.tick()).changes).toEqual([]);
    expect(test.cloud.count('deprecation.set')).toBe(sets);
  });
});
