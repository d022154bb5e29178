import assert from 'node:assert/strict';
import { ImgkitError } from '../spec/errors.ts';
import { defineWorkflow } from '../engine/index.ts';
import type { WorkflowContext } from '../engine/index.ts';
import type { CheckContext, EngineCheck, EngineUnderTest } from './engine-conformance-context.ts';
import { collect, nevermore, seeded } from './engine-conformance-context.ts';

/** Kills the engine when a place is passed for the `at`-th time in all, and counts what is done. */
class Trap {
  passed = 0;
  readonly counts = new Map<string, number>();
  #victim: EngineUnderTest | undefined;
  #at = 0;

  arm(victim: EngineUnderTest, at: number): void {
    this.#victim = victim;
    this.#at = this.passed + at;
  }

  /** A place at which the process may die. */
  pass = async (): Promise<void> => {
    this.passed += 1;
    if (this.passed !== this.#at) return;
    this.#victim?.kill();
    await nevermore();
  };

  count(what: string): void {
    this.counts.set(what, (this.counts.get(what) ?? 0) + 1);
  }
}

/** A workflow with everything in it, and a place to die before and after each thing it does. */
function tourWorkflow({ cloud }: CheckContext, trap: Trap, fails = false) {
  const making = { beforeEffect: trap.pass, afterEffect: trap.pass };
  const effect = (ctx: WorkflowContext, name: string) =>
    ctx.step(name, async () => {
      await trap.pass();
      trap.count(name);
      await trap.pass();
      return { name };
    });
  const child = defineWorkflow({
    name: 'tour-child',
    protocol: 1,
    async run(ctx: WorkflowContext, input: string) {
      await trap.pass();
      await ctx.acquire('vm', cloud.thing('instance', `vm-${input}`, making));
      await trap.pass();
      const image = cloud.thing('image', `image-${input}`, making);
      const { id } = await ctx.acquire('image', image, { keepOnSuccess: true });
      await trap.pass();
      return id;
    },
  });
  return defineWorkflow({
    name: 'tour',
    protocol: 1,
    async run(ctx: WorkflowContext, input: number) {
      const [time, uuid] = [await ctx.now(), await ctx.uuid()];
      await trap.pass();
      await effect(ctx, 'first');
      await trap.pass();
      const disk = await ctx.acquire('disk', cloud.thing('disk', 'disk', making));
      await trap.pass();
      await ctx.acquire('vm', cloud.thing('instance', 'vm', making));
      await trap.pass();
      const handles = [];
      for (const place of ['east', 'west']) {
        handles.push(await ctx.child(child, place, { name: place }));
      }
      await trap.pass();
      await ctx.sleep('pause', 2);
      await trap.pass();
      await ctx.release(disk);
      await trap.pass();
      const draft = await ctx.acquire('draft', cloud.thing('image', 'draft', making));
      await ctx.keep(draft);
      await trap.pass();
      const images = await Promise.all(handles.map((handle) => handle.result()));
      await effect(ctx, 'last');
      await trap.pass();
      if (fails) throw new ImgkitError('QUOTA_EXCEEDED', 'no more');
      assert.equal(await ctx.step('sees the same', () => `${time} ${uuid}`), `${time} ${uuid}`);
      return { images: images.length, input };
    },
  });
}

const things = ['disk', 'vm', 'vm-east', 'image-east', 'vm-west', 'image-west', 'draft'];

/** Sees to it that the tour ended as it would have without any crash. */
async function assertToured(
  { cloud }: CheckContext,
  { engine }: EngineUnderTest,
  trap: Trap,
  id: string,
  crashes: number,
): Promise<void> {
  for (const name of things) assert.equal(cloud.made(name), 1, `${name} is made once`);
  const left = cloud.things.map((thing) => thing.name).toSorted();
  assert.deepEqual(left, ['draft', 'image-east', 'image-west'], 'what is kept, and nothing else');
  for (const name of ['first', 'last']) {
    const count = trap.counts.get(name) ?? 0;
    assert.ok(count >= 1 && count <= 1 + crashes, `step "${name}" ran ${count} times`);
  }
  const events = await collect(engine.events(id));
  assert.deepEqual(
    events.map(({ seq }) => seq),
    events.map((_, index) => index + 1),
    'the events have no gap',
  );
  const finished = events.filter(({ type, runId }) => type === 'run-finished' && runId === id);
  assert.equal(finished.length, 1);
}

/** Every place of a tour without a crash. */
async function countPlaces(context: CheckContext): Promise<number> {
  const trap = new Trap();
  const tour = tourWorkflow(context, trap);
  const alive = await context.open();
  context.cloud.onRemove = trap.pass;
  const run = await alive.engine.start(tour, 1, { id: 'no-crash' });
  assert.deepEqual(await run.result(), { images: 2, input: 1 });
  await assertToured(context, alive, trap, 'no-crash', 0);
  return trap.passed;
}

/** One tour that dies at the given places, each counted from the last one. */
async function tourWithCrashes(
  context: CheckContext,
  id: string,
  places: readonly number[],
): Promise<number> {
  const { cloud } = context;
  let deaths = 0;
  for (const thing of cloud.things) await cloud.remove(thing);
  cloud.forgetCounts();
  const trap = new Trap();
  const tour = tourWorkflow(context, trap);
  cloud.onRemove = async () => {
    await trap.pass();
  };
  for (const place of places) {
    const victim = await context.open();
    trap.arm(victim, place);
    const run = await victim.engine.start(tour, 1, { id });
    const died = await Promise.race([
      run.result().then(
        () => false,
        () => true,
      ),
      victim.killed,
    ]);
    if (!died) break;
    deaths += 1;
  }
  const heir = await context.open();
  trap.arm(heir, Number.NaN);
  const run = await heir.engine.start(tour, 1, { id });
  assert.deepEqual(await run.result(), { images: 2, input: 1 });
  await assertToured(context, heir, trap, id, deaths);
  return deaths;
}

/** What holds whenever the process dies. */
export const crashChecks: readonly EngineCheck[] = [
  {
    name: 'carries a run through a crash at every boundary of its steps and inside every create and removal',
    async run(context) {
      const places = await countPlaces(context);
      assert.ok(places >= 35, `${places} places to die at`);
      for (let place = 1; place <= places; place += 1) {
        assert.equal(await tourWithCrashes(context, `crash-${place}`, [place]), 1);
      }
    },
  },
  {
    name: 'carries the clean-up of a run that fails through a crash at every boundary of it',
    async run(context) {
      const { cloud } = context;
      const clean = ['draft', 'image-east', 'image-west'];
      for (let place = 1; ; place += 1) {
        for (const thing of cloud.things) await cloud.remove(thing);
        const trap = new Trap();
        const tour = tourWorkflow(context, trap, true);
        const victim = await context.open();
        let removals = 0;
        cloud.onRemove = async () => {
          removals += 1;
          if (removals === place) trap.arm(victim, 1);
          await trap.pass();
        };
        const id = `fails-${place}`;
        const begun = await victim.engine.start(tour, 1, { id });
        const died = await Promise.race([begun.result().catch(() => false), victim.killed]);
        cloud.onRemove = async () => {};
        const { engine } = await context.open();
        const run = await engine.start(tour, 1, { id });
        await assert.rejects(run.result(), (error) => ImgkitError.is(error, 'QUOTA_EXCEEDED'));
        assert.deepEqual(cloud.things.map(({ name }) => name).toSorted(), clean);
        if (died !== true) {
          assert.ok(place > 3, `only ${place - 1} removals`);
          break;
        }
      }
    },
  },
  {
    name: 'carries a run through many crashes in a row',
    async run(context) {
      const random = seeded(7);
      for (let round = 1; round <= 8; round += 1) {
        const places = Array.from({ length: 6 }, () => 1 + Math.floor(random() * 12));
        assert.ok((await tourWithCrashes(context, `crashes-${round}`, places)) > 1);
      }
    },
  },
  {
    name: 'does not run a recorded step again, and hands on the last heartbeat of one that was cut off',
    async run(context) {
      const runs: string[] = [];
      let seen: unknown;
      const victim = await context.open();
      const workflow = defineWorkflow({
        name: 'beats',
        protocol: 1,
        async run(ctx: WorkflowContext) {
          await ctx.step('done', () => runs.push('done'));
          return ctx.step('beats', async (step) => {
            runs.push(`beats ${step.attempt}`);
            seen = step.lastHeartbeat;
            if (step.attempt > 1) return 'through';
            step.heartbeat({ copied: 40 });
            step.heartbeat({ copied: 70 });
            victim.kill();
            return nevermore();
          });
        },
      });
      await victim.engine.start(workflow, undefined, { id: 'beats' });
      await victim.killed;
      const { engine } = await context.open();
      const run = await engine.start(workflow, undefined, { id: 'beats' });
      assert.equal(await run.result(), 'through');
      assert.deepEqual(runs, ['done', 'beats 1', 'beats 2']);
      assert.deepEqual(seen, { copied: 70 });
    },
  },
  {
    name: 'throws the recorded error of a failed step again after a crash, with what is known of it',
    async run(context) {
      const errors: ImgkitError[] = [];
      let tries = 0;
      const victim = await context.open();
      let alive = true;
      const workflow = defineWorkflow({
        name: 'catches',
        protocol: 1,
        async run(ctx: WorkflowContext) {
          try {
            await ctx.step('fails', () => {
              tries += 1;
              throw new ImgkitError('QUOTA_EXCEEDED', 'no more', {
                data: { lines: ['a', 'b'] },
                cause: new Error('underneath', { cause: new TypeError('at the bottom') }),
              });
            });
          } catch (error) {
            if (ImgkitError.is(error)) errors.push(error);
          }
          if (alive) {
            alive = false;
            victim.kill();
            await nevermore();
          }
          return 'went on';
        },
      });
      await victim.engine.start(workflow, undefined, { id: 'catches' });
      await victim.killed;
      const { engine } = await context.open();
      const run = await engine.start(workflow, undefined, { id: 'catches' });
      assert.equal(await run.result(), 'went on');
      assert.equal(tries, 1);
      const [live, recalled] = errors;
      for (const error of [live, recalled]) {
        assert.equal(error?.code, 'QUOTA_EXCEEDED');
        assert.equal(error?.message, 'no more');
        assert.deepEqual(error?.data, { lines: ['a', 'b'] });
      }
      const { cause } = recalled ?? {};
      assert.ok(cause instanceof Error && cause.message.includes('underneath'));
      assert.ok(cause.cause instanceof Error && cause.cause.message.includes('at the bottom'));
    },
  },
];
