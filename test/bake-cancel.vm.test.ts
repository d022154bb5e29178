import { createImgkit, systemClock } from '@imgkit/core';
import { qemu } from '@imgkit/qemu';
import { readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, afterEach, beforeAll, describe, expect, inject, it } from 'vitest';
import { BakeWorld, machinesBelow, type Ended } from './support/bake-world.ts';
import { chosenSeed, randomFrom } from './support/random.ts';

const base = inject('tinyBase');
const dayMs = 86_400_000;

const job = (version: string) => ({
  version,
  provision: [{ shell: { inline: [`echo ${version}`] } }],
  verify: [{ shell: { inline: ['echo verified'] } }],
});

describe.skipIf(base.image === undefined)(`a bake that is not wanted ${base.missing ?? ''}`, () => {
  let world: BakeWorld;
  beforeAll(async () => {
    world = await BakeWorld.open(inject('vmDirectory'), base.image?.path ?? '');
  });
  afterEach(() => world.stopAll());
  afterAll(() => world[Symbol.asyncDispose]());

  it('is swept away when its journal is lost, after its time, and not before it was shown', async () => {
    const program = world.start(job('lost'));
    await program.until((line) => line.tells === 'event' && line['change'] === 'created');
    program.kill();
    await program.ended;
    for (const suffix of ['', '-wal', '-shm'])
      rmSync(join(world.state, `journal.db${suffix}`), { force: true });
    const machines = machinesBelow(world.store);
    expect(machines).toHaveLength(1);

    // Its run may be known elsewhere, for all that can be known here: until it expires, it stays.
    await world.use(async (kit) => {
      const { plan, removed } = await kit.runs.sweep({ dryRun: false });
      expect(plan.map(({ action, resource }) => `${action} ${resource.kind}`)).toEqual([
        'keep instance',
        'keep disk',
      ]);
      expect(removed).toEqual([]);
    });
    const clock = { ...systemClock(), now: () => Date.now() + 2 * dayMs };
    await using kit = await createImgkit({
      providers: [qemu({ directory: world.store })],
      stateDirectory: world.state,
      clock,
    });
    const shown = await kit.runs.sweep();
    expect(shown).toMatchObject({ dryRun: true, removed: [] });
    const expired = { action: 'remove', reason: expect.stringContaining('has expired') };
    expect(shown.plan).toMatchObject([expired, expired]);
    expect(machinesBelow(world.store)).toEqual(machines);
    const done = await kit.runs.sweep({ dryRun: false, plan: shown.plan });
    expect(done.removed).toMatchObject([{ kind: 'instance' }, { kind: 'disk' }]);
    expect(done.left).toEqual([]);
    expect(machinesBelow(world.store)).toEqual([]);
    expect(readdirSync(join(world.store, 'instances'))).toEqual([]);
    expect((await kit.runs.sweep()).plan).toEqual([]);
  });

  it('is cancelled by Ctrl-C at any moment, removes what it made, and says so', async () => {
    // The first one also saves its booted machine, and has more to say than those that start from that.
    expect((await world.bake(job('first'))).error).toBeUndefined();
    const whole = await world.bake(job('whole'));
    expect(whole.error).toBeUndefined();
    const standing = await world.images();
    expect(standing).toContain('app-whole: published ACTIVE');
    // The keys of the bake that was lost are gone too by now.
    expect(await world.leftovers()).toEqual([]);
    // Until its verifier boots, which takes seconds: once it is published, soon after that, it is too late.
    const many = whole.lines.findIndex(
      (line) => line.tells === 'event' && line['phase'] === 'verify',
    );
    expect(many).toBeGreaterThan(15);

    const seed = chosenSeed();
    console.log(`cancels at random moments: seed ${seed}`);
    const random = randomFrom(seed);
    for (let count = 0; count < 5; count++) {
      const program = world.start(job(`cancelled-${count}`));
      const moment = 1 + Math.floor(random() * (many - 2));
      await program.until(() => program.lines.length > moment);
      await delay(random() * 100);
      program.interrupt();
      const end = await program.ended;
      expect(end.error, `after ${moment} of ${many} lines`).toMatchObject({ code: 'CANCELLED' });
      expect(resources(end, 'removed'), `after ${moment} lines`).toEqual(resources(end, 'created'));
      expect(await world.images()).toEqual(standing);
      expect(await world.leftovers()).toEqual([]);
    }
    // The last one is not spoilt for good.
    const again = await world.bake(job('cancelled-4'));
    expect(again.result).toMatchObject({ name: 'app-cancelled-4', reused: false });
    expect(await world.leftovers()).toEqual([]);
  });
});

/** What it says that it made, or removed. */
function resources({ lines }: Ended, change: string): readonly string[] {
  return lines
    .flatMap((line) =>
      line.tells === 'event' && line['change'] === change ? [String(line['id'])] : [],
    )
    .toSorted();
}
