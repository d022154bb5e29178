import { createImgkit, type Image } from '@imgkit/core';
import { startGceEmulator } from '@imgkit/emulators';
import { gce } from '@imgkit/gce';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it, onTestFinished, vi } from 'vitest';

// Google's client reads twelve megabytes of description first, which takes a while on a busy machine.
vi.setConfig({ testTimeout: 120_000 });

const project = 'acme-images';
const family = 'web';
const base = { provider: 'gce', id: `projects/${project}/global/images/base` };

it('publications at Google are undone one by one, to the states, dates and replacements from before', async () => {
  const stateDirectory = await mkdtemp(join(tmpdir(), 'imgkit-gce-rollback-'));
  onTestFinished(() => rm(stateDirectory, { recursive: true, force: true }));
  await using emulator = await startGceEmulator({ projects: [{ id: project }] });
  emulator.project(project).addImage({ name: 'base', diskSizeGb: 1 });
  const { endpoint } = emulator;
  await using kit = await createImgkit({
    stateDirectory,
    providers: [gce({ project, endpoint })],
  });
  const { images, deprecation } = kit.providers.require('gce', 'deprecation');

  async function stage(name: string): Promise<Image> {
    return images.create({ name, source: { kind: 'image', image: base }, family, staged: true });
  }

  /** What Google keeps of each image of the family: whether it is in it, and its whole deprecation. */
  async function kept(): Promise<Readonly<Record<string, unknown>>> {
    const all: Record<string, unknown> = {};
    for await (const image of images.list({ family })) {
      all[image.name] = { published: image.published, deprecation: image.deprecation };
    }
    return all;
  }

  const [one, two, three] = [await stage('web-1'), await stage('web-2'), await stage('web-3')];
  const dates = { deprecated: '2027-01-01T00:00:00Z', deleted: '2028-02-03T04:05:06.789+01:00' };
  const planned = { state: 'ACTIVE', replacement: base, dates } as const;
  await kit.families.publish(one.ref);
  await deprecation.set(one.ref.id, planned);
  const atFirst = await kept();

  const second = await kit.families.publish(two.ref);
  const between = await kept();
  expect(between['web-1']).toEqual({
    published: true,
    deprecation: { state: 'DEPRECATED', replacement: two.ref, dates },
  });

  // What is DEPRECATED by now becomes OBSOLETE, and points to the newest.
  const third = await kit.families.publish(three.ref, { deprecatePredecessors: 'OBSOLETE' });
  expect(await kept()).toMatchObject({
    'web-1': { deprecation: { state: 'OBSOLETE', replacement: three.ref, dates } },
    'web-2': { deprecation: { state: 'OBSOLETE', replacement: three.ref } },
  });

  const undone = await kit.families.rollback('gce', family, { undo: third.undo });
  expect(undone).toMatchObject({ untouched: [], head: { name: 'web-2' } });
  expect(await kept()).toEqual(between);
  const undoneToo = await kit.families.rollback('gce', family, { undo: second.undo });
  expect(undoneToo).toMatchObject({ untouched: [], head: { name: 'web-1' } });
  expect(await kept()).toEqual(atFirst);
  expect(emulator.violations).toEqual([]);
});
