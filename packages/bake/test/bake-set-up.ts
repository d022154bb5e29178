import { createImgkit, family, type Imgkit } from '@imgkit/core';
import { memory, memoryCloud, type MemoryCloudOptions } from '@imgkit/core/testing';
import { mkdtempSync } from 'node:fs';
import { rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { onTestFinished } from 'vitest';
import {
  bake,
  reboot,
  recipe,
  shell,
  type BakeOptions,
  type Recipe,
  type RecipeOptions,
} from '../src/index.ts';
import { FakeGuests } from './fake-guests.ts';

/** A kit over a memory cloud that has a base image, and a way to bake in it. */
export async function setUp(options: MemoryCloudOptions = {}, names: readonly string[] = ['lab']) {
  const directory = mkdtempSync(join(tmpdir(), 'imgkit-bake-'));
  onTestFinished(() => rm(directory, { recursive: true, force: true, maxRetries: 5 }));
  const guests = new FakeGuests();
  const cloud = memoryCloud({ guest: guests.factory, ...options });
  const open = async () => {
    const kit = await createImgkit({
      providers: names.map((name) => memory({ name, project: name, cloud })),
      stateDirectory: join(directory, 'state'),
    });
    onTestFinished(() => kit[Symbol.asyncDispose]());
    return kit;
  };
  const kit = await open();
  const base = join(directory, 'base.raw');
  await writeFile(base, '{"done":["base"]}');
  for (const name of names)
    await kit.providers.get(name).images.create({
      name: 'base-1',
      source: { kind: 'file', file: base },
      family: 'base',
      idempotencyKey: name,
    });
  const run = (one: Recipe, more: BakeOptions = {}, on: Imgkit = kit) =>
    bake(on, one, { connect: guests.connect, ...more });
  /** What stands in the cloud beside the base. */
  const standing = () =>
    cloud
      .inventory()
      .filter(({ name }) => name !== 'base-1')
      .map(({ kind, name }) => `${kind} ${name}`);
  return { directory, guests, cloud, kit, open, run, standing };
}

/** A recipe with one of everything. */
export const web = (more: Partial<RecipeOptions> = {}) =>
  recipe('web', {
    from: { lab: family('base') },
    provision: [shell({ inline: ['install'] }), reboot(), shell({ inline: ['configure'] })],
    verify: [shell({ inline: ['check'] })],
    family: 'web',
    ...more,
  });
