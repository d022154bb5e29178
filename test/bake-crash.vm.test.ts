import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, afterEach, beforeAll, describe, expect, inject, it } from 'vitest';
import type { Step } from './bake-program.fixture.ts';
import { BakeWorld, machinesBelow, type Ended, type Program } from './support/bake-world.ts';
import { chosenSeed, randomFrom } from './support/random.ts';

// Real programs, real machines, really killed. A program that is run again as often as it takes must come to the same end as one that nothing happened to.

const base = inject('tinyBase');
const echo = (text: string): Step => ({ shell: { inline: [`echo ${text}`] } });

describe.skipIf(base.image === undefined)(`a bake that is killed ${base.missing ?? ''}`, () => {
  let world: BakeWorld;
  beforeAll(async () => {
    world = await BakeWorld.open(inject('vmDirectory'), base.image?.path ?? '');
  });
  afterEach(() => world.stopAll());
  afterAll(() => world[Symbol.asyncDispose]());

  const points = () => join(world.directory, 'points');
  const used = () => readFileSync(points(), 'utf8').trim().split('\n');

  it('comes to its end, killed before and after each thing that it writes down', async () => {
    // All there is in a bake: a machine booted and saved, one restarted, one sealed and captured, another one that verifies.
    const first = {
      version: '1',
      provision: [echo('one'), { reboot: true } as const],
      verify: [echo('two')],
    };
    const end = await untilItEnds(() => world.start(first, { killPoints: points() }), 250);
    expect(end.error).toBeUndefined();
    expect(await world.images()).toEqual(['app-1: published ACTIVE']);
    expect(await world.leftovers()).toEqual([]);
    expect(steps(used())).toEqual([
      'boot',
      'boot verifier',
      'capture',
      'forget keys',
      'keys',
      'launch builder',
      'launch verifier',
      'provision[0] shell echo one',
      'provision[1] reboot',
      'publish',
      'resolve',
      'save warm start',
      'seal',
      'verify[0] shell echo two',
    ]);

    // What is different where there is a predecessor comes at the end: the points before it have been used.
    writeFileSync(
      points(),
      used()
        .filter((point) => !isLate(point))
        .join('\n') + '\n',
    );
    const before = used().length;
    const second = { version: '2', provision: [echo('one')] };
    const { result } = await untilItEnds(() => world.start(second, { killPoints: points() }), 100);
    expect(used().length - before).toBeGreaterThan(10);
    expect(result).toMatchObject({ name: 'app-2' });
    expect(await world.images()).toEqual([
      'app-1: published DEPRECATED',
      'app-2: published ACTIVE',
    ]);
    expect(await world.leftovers()).toEqual([]);
  }, 900_000);

  it('comes to its end through 20 kills at random moments', async () => {
    const seed = chosenSeed();
    console.log(`kills at random moments: seed ${seed}`);
    const random = randomFrom(seed);
    const many = 20;
    let kills = 0;
    for (let version = 10; kills < many; version += 1) {
      const job = {
        version: String(version),
        provision: [echo(String(version)), { reboot: true } as const],
        verify: [echo('verified')],
      };
      for (let ofThis = 0; ;) {
        const program = world.start(job);
        await program.until(({ tells }) => tells === 'ready');
        const enough = new AbortController();
        if (kills < many && ofThis < 7)
          void delay(200 + random() * 3800, undefined, { signal: enough.signal }).then(
            () => program.kill(),
            () => undefined,
          );
        const { killed, error } = await program.ended;
        enough.abort();
        expect(error).toBeUndefined();
        if (!killed) break;
        kills += 1;
        ofThis += 1;
      }
      const images = await world.images();
      expect(images.filter((image) => image.startsWith(`app-${version}`))).toEqual([
        `app-${version}: published ACTIVE`,
      ]);
      expect(images.filter((image) => image.endsWith('ACTIVE'))).toHaveLength(1);
      expect(await world.leftovers()).toEqual([]);
    }
    expect(kills).toBe(many);
  }, 900_000);

  it('comes to its end when it is killed while it saves the booted machine', async () => {
    // Another size, so that nothing is saved yet.
    const job = {
      name: 'saved',
      machineType: { cpus: 1, memoryBytes: 200 * 2 ** 20 },
      version: '1',
      provision: [echo('one')],
    };
    const warm = join(world.store, 'warm');
    const states = readdirSync(warm).length;
    const program = world.start(job);
    while (
      !readdirSync(warm).some(
        (name) => existsSync(join(warm, name, 'memory')) && name.startsWith('saving'),
      )
    )
      await delay(5);
    program.kill();
    expect((await program.ended).killed).toBe(true);
    expect((await world.bake(job)).error).toBeUndefined();
    expect(await world.images()).toContain('saved-1: published ACTIVE');
    expect(await world.leftovers()).toEqual([]);
    // What was half saved is of no use, and the next bake is not misled by it.
    expect((await world.bake({ ...job, version: '2' })).error).toBeUndefined();
    expect(readdirSync(warm)).toHaveLength(states + 1);
    expect(await world.leftovers()).toEqual([]);
  }, 600_000);

  it('fails, says why, and leaves nothing when its machine dies', async () => {
    const program = world.start({
      name: 'dies',
      version: '1',
      provision: [{ shell: { inline: ['echo begun', 'sleep 600'] } }],
    });
    await program.until((line) => line.tells === 'event' && line.message === 'begun');
    for (const { pid } of machinesBelow(world.store)) process.kill(pid, 'SIGKILL');
    const { error } = await program.ended;
    expect(error).toMatchObject({
      data: { step: 'provision[0] shell echo begun', output: ['begun'] },
    });
    expect(error?.message).toMatch(/not run|stopped|died|ended/u);
    expect(await world.images()).not.toContainEqual(expect.stringMatching(/^dies/u));
    expect(await world.leftovers()).toEqual([]);
  }, 300_000);
});

/** Runs a program again and again until it comes to its end. */
async function untilItEnds(start: () => Program, most: number): Promise<Ended> {
  for (let count = 0; count < most; count++) {
    const end = await start().ended;
    if (!end.killed) return end;
  }
  throw new Error(`it did not come to its end in ${most} runs`);
}

/** The steps that were begun or ended at some of the points. */
function steps(points: readonly string[]): readonly string[] {
  const names = points.flatMap(
    (point) => /UPDATE step state SUCCEEDED ([^,]+)/u.exec(point)?.[1] ?? [],
  );
  return [...new Set(names)].filter((name) => !name.startsWith('now:')).toSorted();
}

function isLate(point: string): boolean {
  return !/step|ledger instance|instance|overlays|disk|run executor/u.test(point);
}
