import { describe, expect, it } from 'vitest';
import type { Channel } from './channels.ts';
import { collect, openTestKit, steppingClock, type TestKit } from './open-test-kit.ts';

async function versions(test: TestKit) {
  const one = await test.image('web-1', { family: 'web' });
  const two = await test.image('web-2', { family: 'web' });
  return { one, two };
}

function pathsOf(all: readonly Channel[]): readonly string[] {
  return all.map(({ family, name }) => `${family}/${name}`);
}

describe('channels', () => {
  it('point to an image, and remember where they pointed', async () => {
    const clock = steppingClock();
    await using test = await openTestKit({ clock });
    const { one, two } = await versions(test);
    const { channels } = test.kit.families;
    await channels.set('prod', 'web', 'stage', one.ref);
    clock.pass(1000);
    const channel = await channels.set('prod', 'web', 'stage', two.ref);
    expect(channel).toMatchObject({ image: two.ref, since: new Date(clock.now()).toISOString() });
    expect(await channels.get('prod', 'web', 'stage')).toEqual(channel);
    await channels.set('prod', 'web', 'stage', two.ref); // changes nothing
    expect(await collect(channels.history('prod', 'web', 'stage'))).toMatchObject([
      { image: two.ref, by: 'set' },
      { image: one.ref, by: 'set' },
    ]);
  });

  it('are promoted, and rolled back step by step', async () => {
    await using test = await openTestKit();
    const { one, two } = await versions(test);
    const { channels } = test.kit.families;
    for (const { ref } of [one, two]) {
      await channels.set('prod', 'web', 'stage', ref);
      await channels.promote('prod', 'web', { from: 'stage', to: 'live' });
    }
    expect(await channels.rollBack('prod', 'web', 'live')).toMatchObject({ image: one.ref });
    expect(await channels.get('prod', 'web', 'stage')).toMatchObject({ image: two.ref });
    await expect(channels.rollBack('prod', 'web', 'live')).rejects.toMatchObject({
      code: 'FAILED_PRECONDITION',
    });
    const moves = await collect(channels.history('prod', 'web', 'live'));
    expect(moves.map(({ by }) => by)).toEqual(['roll-back', 'promotion', 'promotion']);
  });

  it('are not rolled back to what must not be used', async () => {
    await using test = await openTestKit();
    const { one, two } = await versions(test);
    const { channels } = test.kit.families;
    await channels.set('prod', 'web', 'live', one.ref);
    await channels.set('prod', 'web', 'live', two.ref);
    await test.kit.deprecation.set(one.ref, { state: 'OBSOLETE' });
    await expect(channels.rollBack('prod', 'web', 'live')).rejects.toMatchObject({
      code: 'IMAGE_OBSOLETE',
    });
    expect(await channels.get('prod', 'web', 'live')).toMatchObject({ image: two.ref });
  });

  it('take only images of their family, and only good names', async () => {
    await using test = await openTestKit();
    const { one } = await versions(test);
    const { channels } = test.kit.families;
    await expect(channels.set('prod', 'db', 'live', one.ref)).rejects.toMatchObject({
      code: 'FAILED_PRECONDITION',
    });
    await expect(channels.set('prod', 'web', 'No!', one.ref)).rejects.toMatchObject({
      code: 'INVALID_ARGUMENT',
    });
    await expect(channels.set('nope', 'web', 'live', one.ref)).rejects.toMatchObject({
      code: 'PROVIDER_NOT_FOUND',
    });
    expect(await collect(channels.list('prod'))).toEqual([]);
  });

  it('are listed, by family and all together, and an unknown one names the like', async () => {
    await using test = await openTestKit();
    const { one } = await versions(test);
    const db = await test.image('db-1', { family: 'db' });
    const { channels } = test.kit.families;
    await channels.set('prod', 'web', 'stage', one.ref);
    await channels.set('prod', 'web', 'live', one.ref);
    await channels.set('prod', 'db', 'live', db.ref);
    expect(pathsOf(await collect(channels.list('prod', 'web')))).toEqual(['web/live', 'web/stage']);
    expect(pathsOf(await collect(channels.list('prod')))).toEqual([
      'db/live',
      'web/live',
      'web/stage',
    ]);
    await expect(channels.get('prod', 'web', 'stag')).rejects.toMatchObject({
      code: 'NOT_FOUND',
      hint: 'Did you mean: stage?',
    });
  });

  it('lose no move when many are made at once', async () => {
    await using test = await openTestKit();
    const { one, two } = await versions(test);
    const { channels } = test.kit.families;
    const names = Array.from({ length: 8 }, (_, n) => `c${n}`);
    await Promise.all(
      names.map((name, n) => channels.set('prod', 'web', name, n % 2 ? one.ref : two.ref)),
    );
    expect((await collect(channels.list('prod', 'web'))).map(({ name }) => name)).toEqual(names);
  });

  it('outlive the kit', async () => {
    await using test = await openTestKit();
    const { one } = await versions(test);
    await test.kit.families.channels.set('prod', 'web', 'live', one.ref);
    await using later = await openTestKit({
      cloud: test.cloud,
      stateDirectory: test.kit.stateDirectory,
    });
    expect(await later.kit.families.channels.get('prod', 'web', 'live')).toMatchObject({
      image: one.ref,
    });
  });
});
