import assert from 'node:assert/strict';
import { ImgkitError } from '../spec/errors.ts';
import { defineWorkflow } from '../engine/index.ts';
import type { WorkflowContext } from '../engine/index.ts';
import type { EngineCheck } from './engine-conformance-context.ts';
import { collect, eventOf, nevermore, until } from './engine-conformance-context.ts';
import { FakeClock } from './fake-clock.ts';

/** Says many lines, as a guest does. */
const chatty = defineWorkflow({
  name: 'chatty',
  protocol: 1,
  run: (ctx: WorkflowContext, lines: number) =>
    ctx.step('talks', (step) => {
      for (let line = 1; line <= lines; line += 1) {
        step.progress({ topic: 'output', message: `line ${line}` });
      }
    }),
});

const listens = (timeoutMs?: number) =>
  defineWorkflow({
    name: 'listens',
    protocol: 1,
    async run(ctx: WorkflowContext) {
      const first = await ctx.waitSignal('go', { timeoutMs });
      const second = await ctx.waitSignal('go', { name: 'second', timeoutMs });
      return [first, second];
    },
  });

/** What holds of events and signals. */
export const eventChecks: readonly EngineCheck[] = [
  {
    name: 'numbers events without a gap, and gives them from any number, here and elsewhere',
    async run(context) {
      const [a, b] = [await context.open(), await context.open()];
      const run = await a.engine.start(chatty, 1000, { id: 'talk' });
      const elsewhere = collect(b.engine.events('talk', { follow: true }));
      const here = await collect(a.engine.events('talk', { follow: true }));
      await run.result();
      assert.deepEqual(
        here.map(({ seq }) => seq),
        here.map((_, index) => index + 1),
      );
      assert.deepEqual(await elsewhere, here);
      const lines = here.filter((event) => event.type === 'progress');
      assert.deepEqual(
        lines.map(({ message }) => message),
        Array.from({ length: 1000 }, (_, index) => `line ${index + 1}`),
      );
      assert.equal(here.at(-1)?.type, 'run-finished');
      const tail = await collect(b.engine.events('talk', { from: 990 }));
      assert.deepEqual(tail, here.slice(989));
      assert.deepEqual(await collect(b.engine.events('talk', { from: 99_999 })), []);
    },
  },
  {
    name: 'ends a listener when its caller wants no more',
    async run(context) {
      const { engine } = await context.open();
      await engine.start(listens(), undefined, { id: 'quiet' });
      const controller = new AbortController();
      const listening = collect(
        engine.events('quiet', { follow: true, signal: controller.signal }),
      );
      controller.abort();
      await assert.rejects(listening, (error) => ImgkitError.is(error, 'CANCELLED'));
      const run = await engine.start(listens(), undefined, { id: 'quiet' }).catch(() => undefined);
      assert.equal(run, undefined, 'another workflow of the same name is refused');
      assert.equal((await engine.show('quiet')).state, 'RUNNING');
    },
  },
  {
    name: 'hands on signals in their order, each once, those from before and from elsewhere too',
    async run(context) {
      const [a, b] = [await context.open(), await context.open()];
      const run = await a.engine.start(listens(), undefined, { id: 'two' });
      await b.engine.signal('two', 'other', 0, { key: 'x' });
      await b.engine.signal('two', 'go', { n: 1 }, { key: 'one' });
      await b.engine.signal('two', 'go', { n: 9 }, { key: 'one' });
      await a.engine.signal('two', 'go', { n: 2 }, { key: 'two' });
      assert.deepEqual(await run.result(), [{ n: 1 }, { n: 2 }]);
      await assert.rejects(b.engine.signal('two', 'go', 3, { key: 'three' }), (error) =>
        ImgkitError.is(error, 'FAILED_PRECONDITION'),
      );
    },
  },
  {
    name: 'keeps a signal that was taken through a crash, and gives up waiting when its time is up',
    async run(context) {
      const clock = new FakeClock();
      const workflow = listens(60_000);
      const victim = await context.open({ clock });
      await victim.engine.start(workflow, undefined, { id: 'waits' });
      await victim.engine.signal('waits', 'go', 'first', { key: 'one' });
      await until(async () => (await victim.engine.show('waits')).steps.length === 2);
      await clock.advance(30_000);
      victim.kill();
      const { engine } = await context.open({ clock });
      const run = await engine.start(workflow, undefined, { id: 'waits' });
      const result = run.result();
      await until(() => clock.sleeping > 0);
      await clock.advance(29_000);
      assert.equal((await engine.show('waits')).state, 'RUNNING');
      await clock.advance(1000);
      assert.deepEqual(await result, ['first', null]);
    },
  },
  {
    name: 'has the events of a step in the journal when the step is recorded',
    async run(context) {
      const victim = await context.open();
      const workflow = defineWorkflow({
        name: 'dies',
        protocol: 1,
        async run(ctx: WorkflowContext) {
          await ctx.step('talks', (step) => step.progress({ message: 'last words' }));
          victim.kill();
          await nevermore();
        },
      });
      await victim.engine.start(workflow, undefined, { id: 'dies' });
      await victim.killed;
      const { engine } = await context.open();
      const events = await collect(engine.events('dies'));
      assert.deepEqual(events.map(({ message }) => message).slice(-2), [
        'last words',
        'step "talks" finished',
      ]);
      await engine.cancel('dies');
    },
  },
  {
    name: 'tells of children under their parent, and of each alone',
    async run(context) {
      const { engine } = await context.open();
      const parent = defineWorkflow({
        name: 'parent',
        protocol: 1,
        async run(ctx: WorkflowContext) {
          for (const name of ['a', 'ab']) {
            await (await ctx.child(chatty, 1, { name })).result();
          }
        },
      });
      const run = await engine.start(parent, undefined, { id: 'family' });
      const last = await eventOf(engine, 'family', ({ type, runId }) => {
        return type === 'run-finished' && runId === 'family';
      });
      await run.result();
      const all = await collect(engine.events('family'));
      assert.equal(all.at(-1)?.seq, last.seq);
      assert.equal(all.filter(({ message }) => message === 'line 1').length, 2);
      const one = await collect(engine.events('family/a'));
      assert.deepEqual(new Set(one.map(({ runId }) => runId)), new Set(['family/a']));
    },
  },
];
