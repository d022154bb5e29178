import { describe, expect, it } from 'vitest';

import { collect, freshProvider, localProvider, makeImage, names } from '../test/local-provider.ts';
import { refusal } from '../test/scratch.ts';

describe('sharing', () => {
  it('lets a project see and use an image, and never change it', async () => {
    const owner = await freshProvider();
    const { root } = owner.context;
    const team = localProvider({ root, provider: 'team', project: 'team-a' });
    const image = await makeImage(owner, 'web-1', 'web');
    const { id } = image.ref;
    const ref = { provider: 'team', id };
    await owner.publishing.publish(id, { family: 'web' });
    const use = (name: string) =>
      team.disks.create({ name, source: { kind: 'image', image: ref } });
    const listed = () => names(team.images.list({ project: 'default' }));

    for (const call of [
      team.images.get(id),
      use('a'),
      team.images.update(id, {}),
      team.usage.of(id),
    ])
      expect(await refusal(call)).toMatch(/^NOT_FOUND/);
    expect(await listed()).toEqual([]);
    expect(await team.publishing.head('web', { project: 'default' })).toBeUndefined();

    await owner.sharing.grant(id, [{ kind: 'project', id: 'team-a' }]);
    await owner.sharing.grant(id, [{ kind: 'project', id: 'team-a' }]);
    expect(await collect(owner.sharing.list(id))).toEqual([
      { principal: { kind: 'project', id: 'team-a' }, reach: 'image', state: 'ACTIVE' },
    ]);
    expect(await team.images.get(id)).toMatchObject({ project: 'default', ref });
    expect(await listed()).toEqual(['web-1']);
    expect((await team.publishing.head('web', { project: 'default' }))?.name).toBe('web-1');
    await use('a');
    for (const call of [
      team.images.update(id, {}),
      team.images.delete(id),
      team.deprecation.set(id, { state: 'DELETED' }),
      team.publishing.withdraw(id),
      team.sharing.grant(id, [{ kind: 'everyone' }]),
    ])
      expect(await refusal(call)).toMatch(/^PERMISSION_DENIED/);

    await owner.sharing.revoke(id, [{ kind: 'project', id: 'team-a' }]);
    await owner.sharing.revoke(id, [{ kind: 'project', id: 'team-a' }]);
    expect(await refusal(use('b'))).toMatch(/^NOT_FOUND/);
    expect((await team.disks.get('projects/team-a/disks/a')).status).toBe('READY');
    await owner.sharing.grant(id, [{ kind: 'everyone' }]);
    await use('b');
    const { users } = await owner.usage.of(id);
    expect(users.map((one) => one.id)).toEqual([
      'projects/team-a/disks/b',
      'projects/team-a/disks/a',
    ]);
  });

  it('takes only projects of the store and everyone, all or none', async () => {
    const provider = await freshProvider();
    const { id } = (await makeImage(provider, 'web-1')).ref;
    const { sharing } = provider;
    const good = { kind: 'project', id: 'team-a' } as const;
    expect(await refusal(sharing.grant(id, [good, { kind: 'user', id: 'a@b' }]))).toMatch(
      /^UNSUPPORTED/,
    );
    expect(await refusal(sharing.grant(id, [good, { kind: 'project', id: 'A' }]))).toMatch(
      /^INVALID/,
    );
    expect(await collect(sharing.list(id))).toEqual([]);
  });

  it('keeps a replacement readable for a provider of another name', async () => {
    const owner = await freshProvider();
    const other = localProvider({
      root: owner.context.root,
      provider: 'other',
      project: 'default',
    });
    const old = await makeImage(owner, 'old');
    const next = await makeImage(owner, 'next');
    await owner.deprecation.set(old.ref.id, { state: 'DEPRECATED', replacement: next.ref });
    const { deprecation } = await other.images.get(old.ref.id);
    expect(deprecation.replacement).toEqual({ provider: 'other', id: next.ref.id });
  });
});
