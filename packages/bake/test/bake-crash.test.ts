import type { Imgkit } from '@imgkit/core';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { setUp, web } from './bake-set-up.ts';
import { readDisk } from './fake-guests.ts';

type Scene = Awaited<ReturnType<typeof setUp>>;

/** Bakes until the program is cut off, then again with a new program, until one comes through; what stands then must be one image, made as if nothing had happened. */
async function survive(
  scene: Scene,
  crashes: readonly ((crash: () => void) => void | Promise<void>)[],
): Promise<void> {
  const { guests, open, run, standing, kit, directory } = scene;
  let program: Imgkit = kit;
  for (const plan of crashes) {
    const { promise: crashed, resolve: crash } = Promise.withResolvers<void>();
    const baking = run(web(), { version: '1' }, program);
    const ended = baking.results();
    void plan(crash);
    await Promise.race([crashed, ended]);
    await program[Symbol.asyncDispose]();
    guests.moment = undefined;
    program = await open();
  }
  const { images } = await run(web(), { version: '1' }, program);
  expect(images).toMatchObject([{ image: { name: 'web-1', published: true } }]);
  expect(standing()).toEqual(['image web-1']);
  // Each script ran once, although the steps around it were begun more than once.
  expect(
    guests.log.filter((line) => ['install', 'configure', 'check'].includes(line)).toSorted(),
  ).toEqual(['check', 'configure', 'install']);
  expect(await readdir(join(directory, 'state/bake-keys'))).toEqual([]);
  const verifier = await program.providers.require('lab', 'instances').instances.launch({
    name: 'look',
    boot: { kind: 'image', image: images[0]?.image.ref ?? { provider: '', id: '' } },
    idempotencyKey: 'look',
  });
  expect(readDisk(guests.diskOf(verifier.id))).toMatchObject({
    done: ['base', 'install', 'configure'],
    jobs: false,
  });
}

/** Some at a time; gives how many went well. */
async function inGroups<T>(items: readonly T[], work: (item: T) => Promise<void>): Promise<number> {
  for (let at = 0; at < items.length; at += 4) await Promise.all(items.slice(at, at + 4).map(work));
  return items.length;
}

describe('a bake whose program is killed', () => {
  it.each(['before', 'after'] as const)(
    '%s any command to a guest goes on where it was',
    { timeout: 60_000 },
    async (when) => {
      const whole = await setUp({ traits: { instances: { fastRestart: true } } });
      let commands = 0;
      whole.guests.moment = (moment) => {
        if (moment === when) commands++;
      };
      await whole.run(web(), { version: '1' });
      expect(commands).toBeGreaterThan(8);
      const survived = inGroups(
        Array.from({ length: commands }, (_, index) => index + 1),
        async (which) => {
          const scene = await setUp({ traits: { instances: { fastRestart: which % 2 === 0 } } });
          await survive(scene, [
            (crash) => {
              let count = 0;
              scene.guests.moment = (moment) => {
                if (moment === when && ++count === which) crash();
              };
            },
          ]);
        },
      );
      expect(await survived).toBe(commands);
    },
  );

  const calls = [
    'images.list',
    'instances.launch',
    'instances.endpoint',
    'warmStarts.save',
    'instances.stop',
    'images.create',
    'instances.delete',
    'publishing.publish',
  ];

  it.each(['before', 'accepted', 'after'] as const)(
    '%s any call to the cloud is carried out goes on where it was',
    { timeout: 60_000 },
    async (when) => {
      const survived = inGroups(calls, async (call) => {
        const scene = await setUp();
        const { faults } = scene.cloud;
        const crashInCall = async (crash: () => void) => {
          await faults.hold(call, { when }).reached;
          crash();
          // By now this program has lost its run: what the cloud answers reaches nobody.
          await delay(5);
          faults.clear();
        };
        await survive(scene, [crashInCall]);
      });
      expect(await survived).toBe(calls.length);
    },
  );

  it('while its machine is being saved lets that machine go on', async () => {
    const scene = await setUp({ traits: { instances: { fastRestart: false } } });
    const { cloud } = scene;
    await survive(scene, [
      async (crash) => {
        await cloud.faults.hold('warmStarts.save', { when: 'before' }).reached;
        expect(cloud.count('instances.start')).toBe(0);
        crash();
        await delay(5);
        cloud.faults.clear();
      },
    ]);
    // What is held can't be reached: it is told to go on first.
    expect(cloud.count('instances.start')).toBe(1);
  });

  it('at any moment, several times, goes on where it was', { timeout: 60_000 }, async () => {
    const moments = Array.from({ length: 20 }, (_, i) => [i * 17, (i * 31) % 140, (i * 57) % 200]);
    const survived = inGroups(moments, async (delays) => {
      const crashes = delays.map((ms) => (crash: () => void) => delay(ms).then(crash));
      await survive(await setUp(), crashes);
    });
    expect(await survived).toBe(20);
  });
});
