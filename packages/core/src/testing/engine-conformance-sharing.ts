import assert from 'node:assert/strict';
import { setTimeout as delay } from 'node:timers/promises';
import { ImgkitError } from '../spec/errors.ts';
import { defineWorkflow } from '../engine/index.ts';
import type { WorkflowContext } from '../engine/index.ts';
import type { CheckContext, EngineCheck } from './engine-conformance-context.ts';
import { collect, eventOf, gate, nevermore, until } from './engine-conformance-context.ts';

const double = (runs: number[]) =>
  defineWorkflow({
    name: 'double',
    protocol: 1,
    run: (ctx: WorkflowContext, input: number) =>
      ctx.step('multiply', () => {
        runs.push(input);
        return input * 2;
      }),
  });

const code = (expected: ImgkitError['code']) => (error: unknown) => ImgkitError.is(error, expected);

/** Children that count how many of them run at a time, in all processes. */
function crowdWorkflow(count: number) {
  const crowd = { now: 0, most: 0, all: 0, stays: () => delay(3) };
  const child = defineWorkflow({
    name: 'one',
    protocol: 1,
    run: (ctx: WorkflowContext) =>
      ctx.step('is there', async () => {
        crowd.now += 1;
        crowd.all += 1;
        crowd.most = Math.max(crowd.most, crowd.now);
        await crowd.stays();
        crowd.now -= 1;
      }),
  });
  const parent = defineWorkflow({
    name: 'crowd',
    protocol: 1,
    async run(ctx: WorkflowContext) {
      const handles = [];
      for (let index = 0; index < count; index += 1) {
        const options = { name: `n${index}`, limit: { key: 'place', max: 4 } };
        handles.push(await ctx.child(child, undefined, options));
      }
      await Promise.all(handles.map((handle) => handle.result()));
    },
  });
  return { crowd, parent };
}

/** A run that the first engine has begun, in a step that it can't end. */
async function stuckRun(context: CheckContext, id: string) {
  const victim = await context.open();
  const begun = gate();
  let first = true;
  const runs: string[] = [];
  const workflow = defineWorkflow({
    name: `stuck-${id}`,
    protocol: 1,
    async run(ctx: WorkflowContext) {
      await ctx.step('before', () => runs.push('before'));
      return ctx.step('sticks', async () => {
        runs.push('sticks');
        if (!first) return 'through';
        first = false;
        begun.open();
        return nevermore();
      });
    },
  });
  await victim.engine.start(workflow, undefined, { id });
  await begun.opened;
  return { victim, workflow, runs };
}

/** What holds when several processes share a journal. */
export const sharingChecks: readonly EngineCheck[] = [
  {
    name: 'makes one run of two starts with the same id, in one process and in two',
    async run(context) {
      const runs: number[] = [];
      const workflow = double(runs);
      const [a, b] = [await context.open(), await context.open()];
      const handles = await Promise.all(
        [a, a, b].map(({ engine }) => engine.start(workflow, 21, { id: 'one' })),
      );
      const results = await Promise.all(handles.map((handle) => handle.result()));
      assert.deepEqual(results, [42, 42, 42]);
      assert.deepEqual(runs, [21]);
      const later = await b.engine.start(workflow, 21, { id: 'one' });
      assert.equal(await later.result(), 42);
      assert.deepEqual(runs, [21]);
    },
  },
  {
    name: 'refuses an id that stands for other work, and a bad one',
    async run(context) {
      const { engine } = await context.open();
      const workflow = double([]);
      await (await engine.start(workflow, 1, { id: 'taken' })).result();
      await assert.rejects(engine.start(workflow, 2, { id: 'taken' }), code('ALREADY_EXISTS'));
      const other = defineWorkflow({ name: 'other', protocol: 1, run: async () => 1 });
      await assert.rejects(engine.start(other, 1, { id: 'taken' }), code('ALREADY_EXISTS'));
      for (const id of ['', '-x', 'a b', 'x'.repeat(201), 'x:cleanup', '../x']) {
        await assert.rejects(engine.start(workflow, 1, { id }), code('INVALID_ARGUMENT'), id);
      }
      await assert.rejects(engine.show('nobody'), code('NOT_FOUND'));
      await assert.rejects(engine.cancel('nobody'), code('NOT_FOUND'));
      await assert.rejects(collect(engine.events('nobody')), code('NOT_FOUND'));
    },
  },
  {
    name: 'checks the input before anything is recorded',
    async run(context) {
      const { engine } = await context.open();
      const workflow = defineWorkflow<{ readonly size: number }, number>({
        name: 'checked',
        protocol: 1,
        input: {
          '~standard': {
            version: 1,
            vendor: 'test',
            validate: (value) =>
              typeof value === 'object' && value !== null && 'size' in value && value.size === 8
                ? { value: { size: 8 } }
                : { issues: [{ message: 'must be 8', path: ['size'] }] },
          },
        },
        run: async (_ctx, { size }) => size,
      });
      await assert.rejects(
        engine.start(workflow, { size: 9 }, { id: 'checked' }),
        (error) =>
          ImgkitError.is(error, 'INVALID_ARGUMENT') && /size: must be 8/.test(error.message),
      );
      assert.deepEqual(await collect(engine.list()), []);
      assert.equal(
        await (await engine.start(workflow, { size: 8 }, { id: 'checked' })).result(),
        8,
      );
    },
  },
  {
    name: 'goes on with the run of a process that was killed as soon as somebody waits for it',
    async run(context) {
      const { victim, workflow, runs } = await stuckRun(context, 'taken-over');
      const heir = await context.open();
      const run = await heir.engine.start(workflow, undefined, { id: 'taken-over' });
      const result = run.result();
      await delay(50);
      assert.deepEqual(runs, ['before', 'sticks'], 'not while the other process lives');
      assert.equal((await heir.engine.show('taken-over')).active, true);
      victim.kill();
      const began = Date.now();
      assert.equal(await result, 'through');
      assert.ok(Date.now() - began < 10_000, 'at once, not when a lease has run out');
      assert.deepEqual(runs, ['before', 'sticks', 'sticks']);
    },
  },
  {
    name: 'resumes all runs that were cut off and says which it can not',
    async run(context) {
      const one = await stuckRun(context, 'one');
      const two = await stuckRun(context, 'two');
      const living = await stuckRun(context, 'living');
      one.victim.kill();
      two.victim.kill();
      const { engine } = await context.open();
      engine.register(one.workflow);
      const { resumed, skipped } = await engine.resume();
      assert.deepEqual(
        resumed.map(({ id }) => id),
        ['one'],
      );
      assert.deepEqual(
        skipped.map(({ id }) => id),
        ['two', 'living'],
      );
      assert.match(skipped[0]?.reason ?? '', /does not have that workflow/);
      assert.match(skipped[1]?.reason ?? '', /another process/);
      assert.equal(await resumed[0]?.result(), 'through');
      await assert.rejects(engine.resume({ id: 'two' }), code('FAILED_PRECONDITION'));
      living.victim.kill();
    },
  },
  {
    name: 'refuses what a process writes that has lost its run',
    async run(context) {
      const stalled = await context.open();
      const [begun, release, finish] = [gate(), gate(), gate()];
      let writer = 'the stalled one';
      const workflow = defineWorkflow({
        name: 'fenced',
        protocol: 1,
        async run(ctx: WorkflowContext) {
          const me = writer;
          const wrote = await ctx.step('writes', async () => {
            if (me === 'the heir') return me;
            begun.open();
            await release.opened;
            return me;
          });
          await ctx.step('waits', async () => {
            if (me === 'the heir') await finish.opened;
          });
          return wrote;
        },
      });
      const lost = await stalled.engine.start(workflow, undefined, { id: 'fenced' });
      await begun.opened;
      stalled.stall();
      writer = 'the heir';
      const heir = await context.open();
      const run = await heir.engine.start(workflow, undefined, { id: 'fenced' });
      await eventOf(heir.engine, 'fenced', (e) => e.type === 'step-started' && e.step === 'waits');
      const before = await heir.engine.show('fenced');
      release.open();
      await delay(30);
      const after = await heir.engine.show('fenced');
      assert.equal(after.updatedAt, before.updatedAt);
      assert.deepEqual(after.steps, before.steps);
      assert.equal(after.state, 'RUNNING');
      finish.open();
      assert.deepEqual(await Promise.all([run.result(), lost.result()]), ['the heir', 'the heir']);
    },
  },
  {
    name: 'refuses a run that was recorded with another protocol',
    async run(context) {
      const { victim, workflow } = await stuckRun(context, 'old');
      victim.kill();
      const newer = defineWorkflow({ ...workflow, protocol: 2 });
      const { engine } = await context.open();
      await assert.rejects(
        engine.start(newer, undefined, { id: 'old' }),
        (error) => ImgkitError.is(error, 'FAILED_PRECONDITION') && /protocol 1/.test(error.message),
      );
      const { resumed, skipped } = await engine.resume();
      assert.equal(resumed.length, 0);
      assert.match(skipped[0]?.reason ?? '', /protocol 1 .* has protocol 2/);
      engine.register(workflow);
      const [run] = (await engine.resume()).resumed;
      assert.equal(await run?.result(), 'through');
      await assert.rejects(
        engine.start(newer, undefined, { id: 'old' }),
        code('FAILED_PRECONDITION'),
      );
      const other = defineWorkflow({ ...workflow });
      assert.throws(() => engine.register(other), code('ALREADY_EXISTS'));
    },
  },
  {
    name: 'runs 200 short runs',
    async run(context) {
      const runs: number[] = [];
      const workflow = double(runs);
      const { engine } = await context.open();
      const results = await Promise.all(
        Array.from({ length: 200 }, async (_, index) => {
          const run = await engine.start(workflow, index, { id: `short-${index}` });
          return run.result();
        }),
      );
      assert.deepEqual(
        results,
        results.map((_, index) => index * 2),
      );
      assert.equal(runs.length, 200);
    },
  },
  {
    name: 'never runs more children than their limit allows, in two processes together',
    async run(context) {
      const { crowd, parent } = crowdWorkflow(30);
      const [a, b] = [await context.open(), await context.open()];
      const runs = [
        await a.engine.start(parent, undefined, { id: 'left' }),
        await b.engine.start(parent, undefined, { id: 'right' }),
      ];
      await Promise.all(runs.map((run) => run.result()));
      assert.equal(crowd.all, 60);
      assert.ok(crowd.most <= 4, `${crowd.most} at a time`);
      assert.ok(crowd.most >= 3, `only ${crowd.most} at a time`);
    },
  },
  {
    name: 'gives back the places of a process that was killed',
    async run(context) {
      const { crowd, parent } = crowdWorkflow(12);
      crowd.stays = nevermore;
      const victim = await context.open();
      await victim.engine.start(parent, undefined, { id: 'first' });
      await until(() => crowd.now === 4);
      victim.kill();
      Object.assign(crowd, { now: 0, most: 0, stays: () => delay(3) });
      const { engine } = await context.open();
      await (await engine.start(parent, undefined, { id: 'second' })).result();
      await (await engine.start(parent, undefined, { id: 'first' })).result();
      assert.equal(crowd.all, 28);
      assert.ok(crowd.most <= 4, `${crowd.most} at a time`);
    },
  },
  {
    name: 'cuts its runs off when it is closed, or waits for them, and another goes on at once',
    async run(context) {
      const { victim, workflow, runs } = await stuckRun(context, 'closed');
      const heir = await context.open();
      await victim.engine.close();
      await assert.rejects(victim.engine.show('closed'), code('FAILED_PRECONDITION'));
      const run = await heir.engine.start(workflow, undefined, { id: 'closed' });
      assert.equal(await run.result(), 'through');
      assert.deepEqual(runs, ['before', 'sticks', 'sticks']);
      const slow = defineWorkflow({
        name: 'slow',
        protocol: 1,
        run: (ctx: WorkflowContext) => ctx.step('slow', () => delay(30, 'drained')),
      });
      const last = await heir.engine.start(slow, undefined, { id: 'slow' });
      const result = last.result();
      await heir.engine.close({ drainMs: 5000 });
      assert.equal(await result, 'drained');
    },
  },
];
