import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import type { Image } from '../spec/image.ts';
import type { TestKit } from './open-test-kit.ts';
import { collect, openTestKit } from './open-test-kit.ts';

async function makeImages(test: TestKit, count: number): Promise<readonly Image[]> {
  const images: Image[] = [];
  for (let n = 0; n < count; n += 1) images.push(await test.image(`web-${n}`));
  return images;
}

const all = { provider: 'prod' };
const obsolete = { state: 'OBSOLETE' } as const;

describe('a plan of deprecations', () => {
  it('says what becomes of each image, and changes nothing', async () => {
    await using test = await openTestKit();
    const [old, next, done] = await makeImages(test, 3);
    const to = { state: 'DEPRECATED', replacement: next?.ref } as const;
    await test.kit.deprecation.set(done?.ref ?? '', to);
    const before = test.cloud.count('deprecation.set');
    const { items } = await test.kit.deprecation.plan(all, to);
    const decisions = items.map(
      ({ name, decision, reasons }) => `${name}: ${decision}, ${reasons[0]}`,
    );
    expect(decisions.toSorted()).toEqual([
      `${old?.name}: change, it is ACTIVE and becomes DEPRECATED`,
      `${next?.name}: keep, it would replace itself`,
      `${done?.name}: keep, it is so already`,
    ]);
    expect(test.cloud.count('deprecation.set')).toBe(before);
  });

  it('is carried out with progress, and once only', async () => {
    await using test = await openTestKit();
    await makeImages(test, 230);
    const plan = await test.kit.deprecation.plan(all, obsolete);
    const operation = test.kit.deprecation.execute(plan);
    const fractions: (number | undefined)[] = [];
    for await (const { fraction } of operation) fractions.push(fraction);
    expect(await operation).toEqual({ changed: 230, left: [] });
    expect(fractions).toEqual([100 / 230, 200 / 230, 1]);
    expect(test.cloud.count('deprecation.set')).toBe(230);
    expect(await test.kit.deprecation.execute(plan)).toEqual({ changed: 230, left: [] });
    expect(test.cloud.count('deprecation.set')).toBe(230);
    const states = (await collect(test.kit.images.list('prod'))).map((one) => one.deprecation);
    expect(new Set(states.map(({ state }) => state))).toEqual(new Set(['OBSOLETE']));
  });

  it('leaves what changed since, and what the cloud refuses, and says why', async () => {
    await using test = await openTestKit();
    const [gone, other, replaced] = await makeImages(test, 5);
    const plan = await test.kit.deprecation.plan(all, obsolete);
    const { images } = test.kit.providers.get('prod');
    await images.delete(gone?.ref.id ?? '');
    await test.kit.deprecation.set(other?.ref ?? '', { state: 'DEPRECATED' });
    await images.delete(replaced?.ref.id ?? '');
    await test.image('web-2');
    test.cloud.faults.fail('deprecation.set', { code: 'PERMISSION_DENIED' });
    const { changed, left } = await test.kit.deprecation.execute(plan);
    expect(changed).toBe(1);
    expect(left.map(({ outcome, reason }) => `${outcome}: ${reason}`).toSorted()).toEqual([
      'failed: deprecation.set failed, as it was told to',
      'left: it is another image than the planned one',
      'left: it is gone',
      'left: somebody changed its deprecation since',
    ]);
  });

  it('waits while the cloud has trouble', async () => {
    await using test = await openTestKit();
    await makeImages(test, 3);
    const plan = await test.kit.deprecation.plan(all, obsolete);
    test.cloud.faults.fail('deprecation.set', { code: 'RATE_LIMITED', times: 2 });
    test.cloud.faults.fail('images.get', { code: 'UNAVAILABLE', times: 1 });
    expect(await test.kit.deprecation.execute(plan)).toEqual({ changed: 3, left: [] });
  });

  it.each(['executing it again', 'resuming the runs'])(
    'goes on by %s where it was cut off, and changes each image once',
    async (how) => {
      const stateDirectory = await mkdtemp(join(tmpdir(), 'imgkit-test-'));
      onTestFinished(() => rm(stateDirectory, { recursive: true }));
      const first = await openTestKit({ stateDirectory });
      await makeImages(first, 250);
      const plan = await first.kit.deprecation.plan(all, obsolete);
      const hold = first.cloud.faults.hold('deprecation.set', { when: 'after' });
      const cut = first.kit.deprecation.execute(plan);
      const ended = cut.then(
        () => 'done',
        () => 'cut off',
      );
      await hold.reached;
      await first.kit[Symbol.asyncDispose]();
      hold.release();
      expect(await ended).toBe('cut off');
      const done = first.cloud.count('deprecation.set');
      expect(done).toBeGreaterThan(0);
      expect(done).toBeLessThanOrEqual(16);

      await using second = await openTestKit({ stateDirectory, cloud: first.cloud });
      if (how === 'resuming the runs') {
        const { resumed } = await second.kit.runs.resume();
        await Promise.all(resumed.map((run) => run.result()));
      }
      expect(await second.kit.deprecation.execute(plan)).toEqual({ changed: 250, left: [] });
      expect(first.cloud.count('deprecation.set')).toBe(250);
    },
  );

  it('stops when its caller gives up; executing it again goes on', async () => {
    await using test = await openTestKit();
    await makeImages(test, 20);
    const plan = await test.kit.deprecation.plan(all, obsolete);
    const hold = test.cloud.faults.hold('deprecation.set', { when: 'before' });
    const stop = new AbortController();
    const operation = test.kit.deprecation.execute(plan, { signal: stop.signal });
    await hold.reached;
    stop.abort();
    await expect(operation).rejects.toMatchObject({ code: 'CANCELLED' });
    hold.release();
    expect(await test.kit.deprecation.execute(plan)).toEqual({ changed: 20, left: [] });
  });

  it('refuses a replacement that is not there, and bad dates, before anything is changed', async () => {
    await using test = await openTestKit();
    const [image] = await makeImages(test, 1);
    const replacement = { provider: 'prod', id: `${image?.ref.id}-not` };
    const { deprecation } = test.kit;
    await expect(deprecation.plan(all, { state: 'OBSOLETE', replacement })).rejects.toMatchObject({
      code: 'NOT_FOUND',
    });
    await expect(
      deprecation.plan(all, { state: 'OBSOLETE', dates: { deleted: 'soon' } }),
    ).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' });
  });
});
