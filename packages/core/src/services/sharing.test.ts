import { describe, expect, it } from 'vitest';
import { domain, everyone, project, user } from '../spec/principal.ts';
import { collect, openTestKit } from './open-test-kit.ts';

describe('sharing', () => {
  it('grants, lists and revokes', async () => {
    await using test = await openTestKit();
    const { ref } = await test.image('web-1');
    const { sharing } = test.kit;
    await sharing.grant(ref, [project('team-a'), user('me@example.com')]);
    await sharing.grant(ref, [project('team-a')]);
    await sharing.revoke(ref, [user('me@example.com')]);
    expect(await collect(sharing.list(ref))).toMatchObject([
      { principal: project('team-a'), state: 'ACTIVE', reach: 'image' },
    ]);
  });

  it.each([
    ['nobody', [], 'INVALID_ARGUMENT'],
    ['somebody twice', [project('a'), project('a')], 'INVALID_ARGUMENT'],
    ['an empty id', [project('')], 'INVALID_ARGUMENT'],
    ['a kind that the provider lacks', [project('a'), domain('example.com')], 'UNSUPPORTED'],
  ])('refuses %s before the cloud is asked', async (_, principals, code) => {
    await using test = await openTestKit();
    const { ref } = await test.image('web-1');
    for (const change of ['grant', 'revoke'] as const) {
      await expect(test.kit.sharing[change](ref, principals)).rejects.toMatchObject({ code });
      expect(test.cloud.count(`sharing.${change}`)).toBe(0);
    }
  });

  it.each(['family', 'gallery', 'project'] as const)(
    'refuses to reach all of the %s unless that is meant',
    async (unit) => {
      await using test = await openTestKit({ traits: { sharing: { unit } } });
      const { ref } = await test.image('web-1', { family: 'web' });
      const { sharing } = test.kit;
      await expect(sharing.grant(ref, [everyone()])).rejects.toMatchObject({
        code: 'FAILED_PRECONDITION',
        hint: expect.stringContaining('allowWider'),
      });
      expect(test.cloud.count('sharing.grant')).toBe(0);
      await sharing.grant(ref, [everyone()], { allowWider: true });
      expect(await collect(sharing.list(ref))).toMatchObject([{ reach: unit }]);
    },
  );

  it('says that nothing need be accepted where grants work at once', async () => {
    await using test = await openTestKit();
    const { ref } = await test.image('web-1');
    await expect(test.kit.sharing.accept(ref)).rejects.toMatchObject({ code: 'UNSUPPORTED' });
    await expect(test.kit.sharing.reject(ref)).rejects.toMatchObject({ code: 'UNSUPPORTED' });
  });
});
