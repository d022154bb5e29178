import { family, type Image } from '@imgkit/core';
import { createMemoryProvider } from '@imgkit/core/testing';
import * as fc from 'fast-check';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it, onTestFinished } from 'vitest';
import { bakeKey, digest, recipeDigest } from './bake-key.ts';
import { file, reboot, recipe, secret, shell, type RecipeOptions } from './index.ts';

const base: RecipeOptions = {
  from: { lab: family('base') },
  provision: [shell({ inline: ['true'], secrets: { A: secret('hunter22') } })],
  family: 'web',
};
const of = (more: Partial<RecipeOptions> = {}) => recipeDigest(recipe('web', { ...base, ...more }));
const upload = (source: string) => of({ provision: [file({ source, destination: '/etc/x' })] });
const script = (path: string) => of({ provision: [shell({ script: path })] });

it('the digest of a recipe changes with all that makes a difference to the image', async () => {
  const provision = (...steps: RecipeOptions['provision']) => of({ provision: steps });
  const digests = await Promise.all([
    of(),
    recipeDigest(recipe('other', base)),
    of({ family: 'other' }),
    of({ verify: [reboot()] }),
    of({ seal: false }),
    of({ seal: { packageCaches: true } }),
    of({ diskSizeBytes: 5 }),
    of({ labels: { a: 'b' } }),
    provision(shell({ inline: ['false'] })),
    provision(shell({ inline: ['true'] }), reboot()),
    provision(reboot(), shell({ inline: ['true'] })),
    provision(shell({ inline: ['true'], env: { A: '1' } })),
    provision(shell({ inline: ['true'], runAs: 'nobody' })),
    provision(file({ content: 'a', destination: '/a' })),
    provision(file({ content: 'a', destination: '/b' })),
    provision(file({ content: 'b', destination: '/a' })),
    provision(file({ content: 'a', destination: '/a', mode: 0o600 })),
  ]);
  expect(new Set(digests).size).toBe(digests.length);
});

it('the digest of a recipe does not change with what makes none, a secret above all', async () => {
  const same = await of();
  expect(
    await of({
      provision: [
        shell({
          inline: ['true'],
          secrets: { A: secret('another one') },
          timeout: '1m',
          maxRetries: 3,
          pauseBefore: '1s',
        }),
      ],
    }),
  ).toBe(same);
  expect(
    await of({
      from: { prod: family('x') },
      bootTimeout: '1m',
      description: 'x',
      machineType: 'big',
      seal: {},
    }),
  ).toBe(same);
});

it('the digest of a recipe goes by what is in a file, not by where it is', async () => {
  const directory = await mkdtemp(join(tmpdir(), 'imgkit-key-'));
  onTestFinished(() => rm(directory, { recursive: true }));
  const [a, b] = [join(directory, 'a'), join(directory, 'b')];
  await writeFile(a, 'one');
  await writeFile(b, 'one');
  const before = [await upload(a), await script(a)];
  expect(await script(b)).toBe(before[1]);
  await writeFile(a, 'two');
  expect(await upload(a)).not.toBe(before[0]);
  expect(await script(a)).not.toBe(before[1]);
  const gone = recipe('web', { ...base, provision: [file({ source: b, destination: '/x' })] });
  await rm(b);
  await expect(recipeDigest(gone)).rejects.toMatchObject({ code: 'INVALID_ARGUMENT', resource: b });
});

it('the bake key goes by the digest of the source where there is one, the provider, and the version', () => {
  const source: Image = {
    ref: { provider: 'lab', id: 'i' },
    name: 'base',
    project: 'p',
    published: true,
    status: 'READY',
    deprecation: { state: 'ACTIVE' },
    createdAt: '2026-01-01T00:00:00Z',
    diskSizeBytes: 1,
    labels: {},
    digest: 'sha256:1',
  };
  const provider = createMemoryProvider({ name: 'lab' });
  const key = (more: Partial<Parameters<typeof bakeKey>[0]> = {}) =>
    bakeKey({ recipe: 'r', source, provider, version: '1', ...more });
  const bare = { ...source, digest: undefined };
  const keys = [
    key(),
    key({ recipe: 's' }),
    key({ version: '2' }),
    key({ version: undefined }),
    key({ provider: createMemoryProvider({ name: 'other' }) }),
    key({ source: { ...source, digest: 'sha256:2' } }),
    key({ source: bare }),
    key({ source: { ...bare, ref: { provider: 'lab', id: 'j' } } }),
  ];
  expect(new Set(keys).size).toBe(keys.length);
  expect(key({ source: { ...source, ref: { provider: 'lab', id: 'copy' } } })).toBe(key());
  for (const one of keys) expect(one).toMatch(/^[0-9a-f]{40}$/u);
});

it('digest does not go by the order of members', () => {
  fc.assert(
    fc.property(fc.dictionary(fc.string(), fc.jsonValue()), (value) => {
      const plain = JSON.parse(JSON.stringify(value));
      const turned = Object.fromEntries(Object.entries(plain).toReversed());
      expect(digest(JSON.parse(JSON.stringify(turned)))).toBe(digest(plain));
    }),
  );
  expect(digest({ a: [1, 2] })).not.toBe(digest({ a: [2, 1] }));
  expect(digest({ a: '1' })).not.toBe(digest({ a: 1 }));
});
