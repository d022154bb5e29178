import { ContainerModule } from 'inversify';
import { describe, expect, it } from 'vitest';
import { tokens } from '../plugin/tokens.ts';
import { memory } from '../testing/index.ts';
import { project } from '../spec/principal.ts';
import { openTestKit } from './open-test-kit.ts';

describe('usage.of', () => {
  it('joins what the provider knows with heads, channels and grants', async () => {
    await using test = await openTestKit();
    const { kit } = test;
    const image = await test.image('web-1', { family: 'web' });
    expect(await kit.usage.of(image.ref)).toEqual({ users: [], complete: true, unanswered: [] });

    await kit.families.publish(image.ref);
    await kit.families.channels.set('prod', 'web', 'live', image.ref);
    await kit.sharing.grant(image.ref, [project('team-a')]);
    const { instances } = kit.providers.require('prod', 'instances');
    await instances.launch({ name: 'vm-1', boot: { kind: 'image', image: image.ref } });
    await kit.images.create('prod', { name: 'child', source: { kind: 'image', image: image.ref } });

    const { users, complete } = await kit.usage.of(image.ref);
    expect(complete).toBe(true);
    expect(users.map(({ kind }) => kind).toSorted()).toEqual([
      'channel',
      'disk', // of the instance
      'family-head',
      'grant',
      'image',
      'instance',
    ]);
  });

  it('finds child images itself where the provider tells no users, and is incomplete', async () => {
    await using test = await openTestKit({
      providers: (cloud) => [memory({ name: 'prod', cloud, without: ['usage'] })],
    });
    const image = await test.image('web-1');
    const source = { kind: 'image', image: image.ref } as const;
    const child = await test.kit.images.create('prod', { name: 'child', source });
    const report = await test.kit.usage.of(image.ref);
    expect(report.complete).toBe(false);
    expect(report.unanswered).toEqual([expect.stringContaining("can't tell who uses")]);
    expect(report.users).toMatchObject([{ kind: 'image', id: child.ref.id }]);
  });

  it.each(['usage.of', 'sharing.list', 'publishing.head', 'images.list'])(
    'is incomplete, with the reason, when %s fails',
    async (operation) => {
      await using test = await openTestKit();
      const image = await test.image('web-1', { family: 'web' });
      test.cloud.faults.fail(operation, { code: 'PERMISSION_DENIED', times: Infinity });
      const report = await test.kit.usage.of(image.ref);
      expect(report.complete).toBe(false);
      expect(report.unanswered.length).toBeGreaterThan(0);
      for (const reason of report.unanswered) expect(reason).toContain(operation);
    },
  );

  it('is incomplete when the provider says so without saying why', async () => {
    const overrides = [
      new ContainerModule(({ rebind }) => {
        rebind(tokens.usage).toConstantValue({
          of: () => Promise.resolve({ users: [], complete: false, unanswered: [] }),
        });
      }),
    ];
    await using test = await openTestKit({
      providers: (cloud) => [memory({ name: 'prod', cloud, overrides })],
    });
    const image = await test.image('web-1');
    const report = await test.kit.usage.of(image.ref);
    expect(report).toMatchObject({ complete: false, unanswered: [expect.any(String)] });
  });

  it('knows no image that is gone, and stops when told to', async () => {
    await using test = await openTestKit();
    const image = await test.image('web-1');
    const signal = AbortSignal.abort();
    await expect(test.kit.usage.of(image.ref, { signal })).rejects.toMatchObject({
      code: 'CANCELLED',
    });
    await test.kit.providers.get('prod').images.delete(image.ref.id);
    await expect(test.kit.usage.of(image.ref)).rejects.toMatchObject({ code: 'NOT_FOUND' });
  });
});
