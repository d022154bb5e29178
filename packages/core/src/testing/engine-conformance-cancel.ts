import assert from 'node:assert/strict';
import { setTimeout as delay } from 'node:timers/promises';
import { ImgkitError } from '../spec/errors.ts';
import { defineWorkflow } from '../engine/index.ts';
import type { WorkflowContext } from '../engine/index.ts';
import type { CheckContext, EngineCheck } from './engine-conformance-context.ts';
import { collect, eventOf, gate, nevermore, seeded } from './engine-conformance-context.ts';

/** A workflow that is making something most of the time, in children too. */
function busyWorkflow({ cloud }: CheckContext, answerMs: () => number) {
  const making = (name: string) => cloud.thing('instance', name, { answerMs: answerMs() });
  const child = defineWorkflow({
    name: 'busy-child',
    protocol: 1,
    async run(ctx: WorkflowContext, input: string) {
      await ctx.acquire('vm', making(`vm-${input}`));
      await ctx.sleep('pause', answerMs());
      await ctx.acquire('other', making(`other-${input}`));
    },
  });
  return defineWorkflow({
    name: 'busy',
    protocol: 1,
    async run(ctx: WorkflowContext) {
      await ctx.acquire('disk', cloud.thing('disk', 'disk', { answerMs: answerMs() }));
      const handles = [];
      for (const name of ['a', 'b', 'c']) handles.push(await ctx.child(child, name, { name }));
      await ctx.acquire('image', cloud.thing('image', 'image', { answerMs: answerMs() }), {
        keepOnSuccess: true,
      });
      await Promise.all(handles.map((handle) => handle.result()));
      await ctx.sleep('long', 60_000);
    },
  });
}

/** What holds when a run is cancelled. */
export const cancelChecks: readonly EngineCheck[] = [
  {
    name: 'leaves nothing when a run is cancelled at any of 20 moments',
    async run(context) {
      const random = seeded(11);
      const { engine } = await context.open();
      const workflow = busyWorkflow(context, () => Math.floor(random() * 4));
      for (let round = 1; round <= 20; round += 1) {
        const id = `cancel-${round}`;
        const run = await engine.start(workflow, undefined, { id });
        const result = assert.rejects(run.result(), (error) => ImgkitError.is(error, 'CANCELLED'));
        await delay(Math.floor(random() * 40));
        const report = await engine.cancel(id);
        await result;
        assert.deepEqual(report.left, []);
        const { state, ledger } = await engine.show(id);
        assert.equal(state, 'CANCELLED');
        assert.ok(ledger.every((entry) => entry.state === 'deleted'));
        await delay(10);
        assert.deepEqual(
          context.cloud.things.map(({ name }) => name),
          [],
          `round ${round}`,
        );
      }
      const runs = await collect(engine.list({ children: true }));
      const cleanups = runs.filter(({ id }) => /^cancel-\d+:cleanup$/.test(id));
      assert.equal(cleanups.length, 20);
      assert.ok(cleanups.every(({ state }) => state === 'SUCCEEDED'));
    },
  },
  {
    name: 'removes what a create makes after its run was cancelled',
    async run(context) {
      const { cloud } = context;
      const begun = gate();
      const { engine } = await context.open({ graceMs: 1, settleMs: 120 });
      const workflow = defineWorkflow({
        name: 'late',
        protocol: 1,
        async run(ctx: WorkflowContext) {
          const vm = cloud.thing('instance', 'vm', {
            beforeEffect: async () => begun.open(),
            effectMs: 60,
          });
          await ctx.acquire('vm', vm);
        },
      });
      const run = await engine.start(workflow, undefined, { id: 'late' });
      const result = assert.rejects(run.result());
      await begun.opened;
      await engine.cancel('late');
      await result;
      assert.equal(cloud.made('vm'), 1);
      assert.deepEqual(cloud.things, []);
    },
  },
  {
    name: 'stops a step through its signal, and code that goes on regardless gets nowhere',
    async run(context) {
      const { engine } = await context.open();
      const begun = gate();
      const errors: unknown[] = [];
      let reason: unknown;
      const workflow = defineWorkflow({
        name: 'stubborn',
        protocol: 1,
        async run(ctx: WorkflowContext) {
          await ctx
            .step('waits', (step) => {
              begun.open();
              return new Promise((_resolve, reject) => {
                step.signal.addEventListener('abort', () => {
                  ({ reason } = step.signal);
                  reject(new Error('stopped'));
                });
              });
            })
            .catch((error: unknown) => errors.push(error));
          await ctx.step('goes on', () => 1).catch((error: unknown) => errors.push(error));
          return 'all well';
        },
      });
      const run = await engine.start(workflow, undefined, { id: 'stubborn' });
      const result = assert.rejects(run.result(), (error) => ImgkitError.is(error, 'CANCELLED'));
      await begun.opened;
      await engine.cancel('stubborn', { reason: 'enough' });
      await result;
      assert.ok(ImgkitError.is(reason, 'CANCELLED'));
      assert.equal(errors.length, 2);
      assert.ok(errors.every((error) => ImgkitError.is(error, 'CANCELLED')));
      const { steps, error } = await engine.show('stubborn');
      assert.deepEqual(
        steps.map(({ name }) => name),
        ['waits'],
      );
      assert.match(error?.message ?? '', /enough/);
    },
  },
  {
    name: 'does not wait forever for a step that does not heed its signal',
    async run(context) {
      const { engine } = await context.open({ graceMs: 5 });
      const begun = gate();
      const workflow = defineWorkflow({
        name: 'deaf',
        protocol: 1,
        async run(ctx: WorkflowContext) {
          await ctx.acquire('vm', context.cloud.thing('instance', 'vm'));
          await ctx.step('deaf', async () => {
            begun.open();
            await nevermore();
          });
        },
      });
      const run = await engine.start(workflow, undefined, { id: 'deaf' });
      const result = assert.rejects(run.result());
      await begun.opened;
      await engine.cancel('deaf');
      await result;
      assert.deepEqual(context.cloud.things, []);
    },
  },
  {
    name: 'cancels a run that another process works on',
    async run(context) {
      const [worker, other] = [await context.open(), await context.open()];
      const workflow = busyWorkflow(context, () => 1);
      const run = await worker.engine.start(workflow, undefined, { id: 'elsewhere' });
      const result = assert.rejects(run.result(), (error) => ImgkitError.is(error, 'CANCELLED'));
      await eventOf(worker.engine, 'elsewhere', ({ type }) => type === 'resource-created');
      await other.engine.cancel('elsewhere');
      await result;
      assert.deepEqual(context.cloud.things, []);
    },
  },
  {
    name: 'cancels a run whose process is dead, without its code',
    async run(context) {
      const worker = await context.open();
      const workflow = busyWorkflow(context, () => 1);
      await worker.engine.start(workflow, undefined, { id: 'orphan' });
      await eventOf(worker.engine, 'orphan', ({ type }) => type === 'resource-created');
      worker.kill();
      const { engine } = await context.open();
      const report = await engine.cancel('orphan');
      assert.ok(report.removed.length > 0);
      assert.deepEqual(context.cloud.things, []);
      const runs = await collect(engine.list({ children: true, states: ['RUNNING', 'CLEANING'] }));
      assert.deepEqual(runs, []);
    },
  },
  {
    name: 'finishes a clean-up that was cut off',
    async run(context) {
      const { cloud } = context;
      const worker = await context.open();
      const workflow = busyWorkflow(context, () => 1);
      await worker.engine.start(workflow, undefined, { id: 'cut-off' });
      await eventOf(worker.engine, 'cut-off', ({ type }) => type === 'resource-created');
      cloud.onRemove = () => {
        worker.kill();
        return nevermore();
      };
      void worker.engine.cancel('cut-off').catch(() => undefined);
      await worker.killed;
      assert.ok(cloud.things.length > 0);
      cloud.onRemove = async () => {};
      const { engine } = await context.open();
      const { resumed, skipped } = await engine.resume();
      assert.deepEqual(skipped, []);
      await Promise.all(resumed.map((run) => assert.rejects(run.result())));
      assert.deepEqual(cloud.things, []);
      assert.equal((await engine.show('cut-off')).state, 'CANCELLED');
    },
  },
  {
    name: 'cancels one child and leaves the rest of the tree alone',
    async run(context) {
      const { cloud } = context;
      const { engine } = await context.open();
      const go = gate();
      const child = defineWorkflow({
        name: 'part',
        protocol: 1,
        async run(ctx: WorkflowContext, input: string) {
          await ctx.acquire('vm', cloud.thing('instance', input));
          await ctx.waitSignal('go');
          return input;
        },
      });
      const parent = defineWorkflow({
        name: 'whole',
        protocol: 1,
        async run(ctx: WorkflowContext) {
          const handles = [];
          for (const name of ['a', 'ab']) handles.push(await ctx.child(child, name, { name }));
          const results = await Promise.allSettled(handles.map((handle) => handle.result()));
          await ctx.step('wait', () => go.opened);
          return results.map(({ status }) => status);
        },
      });
      const run = await engine.start(parent, undefined, { id: 'whole' });
      for (const id of ['whole/a', 'whole/ab']) {
        await eventOf(engine, 'whole', (e) => e.type === 'resource-created' && e.runId === id);
      }
      await engine.cancel('whole/a');
      assert.deepEqual(
        cloud.things.map(({ name }) => name),
        ['ab'],
      );
      await engine.signal('whole/ab', 'go', null, { key: 'go' });
      go.open();
      assert.deepEqual(await run.result(), ['rejected', 'fulfilled']);
      assert.deepEqual(cloud.things, []);
    },
  },
];
