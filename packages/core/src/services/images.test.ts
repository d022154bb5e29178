import { describe, expect, it } from 'vitest';
import { memory } from '../testing/index.ts';
import { family } from '../spec/family.ts';
import { formatRef } from '../spec/ref.ts';
import { collect, openTestKit, type TestKit } from './open-test-kit.ts';

async function withReplacement(test: TestKit, state: 'DEPRECATED' | 'OBSOLETE' | 'DELETED') {
  const old = await test.image('web-1');
  const next = await test.image('web-2');
  await test.kit.deprecation.set(old.ref, { state, replacement: next.ref });
  return { old, next };
}

describe('images.forUse', () => {
  it('gives an ACTIVE image without a warning, by ref and by text', async () => {
    await using test = await openTestKit();
    const image = await test.image('web-1');
    for (const target of [image.ref, formatRef(image.ref)]) {
      const { image: usable, warnings } = await test.kit.images.forUse(target);
      expect(usable.ref).toEqual(image.ref);
      expect(warnings).toEqual([]);
    }
  });

  it('warns of a DEPRECATED image, and names the replacement', async () => {
    await using test = await openTestKit();
    const { old, next } = await withReplacement(test, 'DEPRECATED');
    const { image, warnings } = await test.kit.images.forUse(old.ref, { followReplacement: true });
    expect(image.ref).toEqual(old.ref);
    expect(warnings).toMatchObject([{ code: 'IMAGE_DEPRECATED', replacement: next.ref }]);
    expect(warnings[0]?.message).toContain(formatRef(next.ref));
  });

  it.each([
    ['OBSOLETE', 'IMAGE_OBSOLETE'],
    ['DELETED', 'IMAGE_DELETED'],
  ] as const)('refuses an image that is %s, or follows its replacement', async (state, code) => {
    await using test = await openTestKit();
    const { old, next } = await withReplacement(test, state);
    await expect(test.kit.images.forUse(old.ref)).rejects.toMatchObject({
      code,
      replacement: formatRef(next.ref),
    });
    const { image, warnings } = await test.kit.images.forUse(old.ref, { followReplacement: true });
    expect(image.ref).toEqual(next.ref);
    expect(warnings).toMatchObject([{ code: 'REPLACED', image: old.ref, replacement: next.ref }]);
  });

  it('follows several replacements, and refuses when none can be used', async () => {
    await using test = await openTestKit();
    const { old, next } = await withReplacement(test, 'OBSOLETE');
    const last = await test.image('web-3');
    const options = { followReplacement: true };
    await test.kit.deprecation.set(next.ref, { state: 'OBSOLETE', replacement: last.ref });
    expect((await test.kit.images.forUse(old.ref, options)).image.name).toBe('web-3');
    await test.kit.deprecation.set(last.ref, { state: 'DELETED' });
    await expect(test.kit.images.forUse(old.ref, options)).rejects.toMatchObject({
      code: 'IMAGE_OBSOLETE',
    });
  });

  it("doesn't follow a replacement to another provider", async () => {
    await using test = await openTestKit({
      providers: (cloud) => [memory({ name: 'prod', cloud }), memory({ name: 'lab' })],
    });
    const { disks } = test.kit.providers.require('lab', 'disks');
    const disk = await disks.create({ name: 'd', sizeBytes: 1_048_576 });
    const source = { kind: 'disk', disk: disk.id } as const;
    const there = await test.kit.images.create('lab', { name: 'there', source });
    const old = await test.image('web-1');
    await test.kit.deprecation.set(old.ref, { state: 'OBSOLETE', replacement: there.ref });
    await expect(
      test.kit.images.forUse(old.ref, { followReplacement: true }),
    ).rejects.toMatchObject({ code: 'IMAGE_OBSOLETE', replacement: formatRef(there.ref) });
  });

  it('gives up on replacements that go round in a circle', async () => {
    await using test = await openTestKit();
    const { old, next } = await withReplacement(test, 'OBSOLETE');
    // Made by somebody who doesn't ask the kit.
    const { deprecation } = test.kit.providers.require('prod', 'deprecation');
    await deprecation.set(next.ref.id, { state: 'OBSOLETE', replacement: old.ref });
    await expect(
      test.kit.images.forUse(old.ref, { followReplacement: true }),
    ).rejects.toMatchObject({ code: 'FAILED_PRECONDITION' });
  });

  it('gives the head of a family, at the only provider or the one that is said', async () => {
    await using test = await openTestKit();
    const image = await test.image('web-1', { family: 'web' });
    await test.kit.families.publish(image.ref);
    expect((await test.kit.images.forUse(family('web'))).image.name).toBe('web-1');

    await using two = await openTestKit({
      providers: (cloud) => [memory({ name: 'a', cloud }), memory({ name: 'b', cloud })],
    });
    await expect(two.kit.images.forUse(family('web'))).rejects.toMatchObject({
      code: 'INVALID_ARGUMENT',
    });
    await expect(two.kit.images.forUse(family('web'), { provider: 'a' })).rejects.toMatchObject({
      code: 'NOT_FOUND',
      provider: 'a',
    });
  });

  it('refuses an image that is still being made', async () => {
    await using test = await openTestKit();
    const hold = test.cloud.faults.hold('images.create', { when: 'during' });
    const making = test.image('web-1');
    await hold.reached;
    await test.kit.images.get('prod:x').catch(() => undefined);
    let [pending] = await collect(test.kit.images.list('prod'));
    while (pending === undefined) [pending] = await collect(test.kit.images.list('prod'));
    await expect(test.kit.images.forUse(pending.ref)).rejects.toMatchObject({
      code: 'FAILED_PRECONDITION',
    });
    hold.release();
    await making;
  });
});

describe('images.create', () => {
  it.each([
    ['a bad name', { name: 'No Good' }, 'INVALID_ARGUMENT'],
    ['a bad family', { family: 'No Good' }, 'INVALID_ARGUMENT'],
    ['a version without a family', { version: '1' }, 'INVALID_ARGUMENT'],
    ['staging without a family', { staged: true }, 'INVALID_ARGUMENT'],
    [
      'dates out of order',
      { deprecation: { state: 'ACTIVE', dates: { obsolete: 'x' } } },
      'INVALID_ARGUMENT',
    ],
    ['a source it lacks', { source: { kind: 'file', file: '/disk' } }, 'UNSUPPORTED'],
    [
      'an image of elsewhere',
      { source: { kind: 'image', image: { provider: 'x', id: 'y' } } },
      'INVALID_ARGUMENT',
    ],
  ] as const)('refuses %s before the cloud is asked', async (_, request, code) => {
    await using test = await openTestKit({ traits: { images: { sources: ['disk', 'image'] } } });
    const operation = test.kit.images.create('prod', {
      name: 'web-1',
      source: { kind: 'disk', disk: 'd' },
      ...request,
    });
    await expect(operation).rejects.toMatchObject({ code });
    expect(test.cloud.calls).toEqual([]);
  });

  it('refuses no source at all, as JavaScript may give', async () => {
    await using test = await openTestKit();
    const request = JSON.parse('{ "name": "web-1" }');
    await expect(test.kit.images.create('prod', request)).rejects.toMatchObject({
      code: 'INVALID_ARGUMENT',
    });
    await expect(test.kit.images.create('nope', request)).rejects.toMatchObject({
      code: 'PROVIDER_NOT_FOUND',
    });
  });
});

describe('images', () => {
  it('are found, the newest first, and updated', async () => {
    await using test = await openTestKit();
    const { images } = test.kit;
    await test.image('web-1', { labels: { team: 'a' } });
    const newer = await test.image('web-2', { labels: { team: 'a' } });
    expect(await images.find('prod', { labels: { team: 'a' } })).toMatchObject({ name: 'web-2' });
    expect(await images.find('prod', { name: 'nope' })).toBeUndefined();
    const updated = await images.update(newer.ref, { labels: { team: null }, description: 'x' });
    expect(updated).toMatchObject({ labels: {}, description: 'x' });
    await expect(images.get('no-ref')).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' });
  });
});
