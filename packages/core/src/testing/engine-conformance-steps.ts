import assert from 'node:assert/strict';
import { ImgkitError } from '../spec/errors.ts';
import { defineWorkflow } from '../engine/index.ts';
import type { StepContext, StepOptions, WorkflowContext } from '../engine/index.ts';
import type { EngineCheck, EngineUnderTest } from './engine-conformance-context.ts';
import { collect, gate, nevermore, until } from './engine-conformance-context.ts';
import { FakeClock } from './fake-clock.ts';

/** Runs one workflow to its end. */
async function runOnce<T>(
  { engine }: EngineUnderTest,
  id: string,
  run: (ctx: WorkflowContext) => Promise<T>,
): Promise<T> {
  const handle = await engine.start(defineWorkflow({ name: id, protocol: 1, run }), undefined, {
    id,
  });
  return handle.result();
}

const busy = () => new ImgkitError('UNAVAILABLE', 'busy');

const code = (expected: ImgkitError['code']) => (error: unknown) => {
  assert.ok(ImgkitError.is(error), String(error));
  assert.equal(error.code, expected, error.message);
  return true;
};

/** What holds of steps, timers and live objects. */
export const stepChecks: readonly EngineCheck[] = [
  {
    name: 'refuses a step name that is used twice, and a step within a step',
    async run(context) {
      const engine = await context.open();
      const twice = runOnce(engine, 'twice', async (ctx) => {
        await ctx.step('same', () => 1);
        return ctx.step('same', () => 2);
      });
      await assert.rejects(twice, code('INVALID_ARGUMENT'));
      const nested = runOnce(engine, 'nested', (ctx) =>
        ctx.step('outer', () => ctx.step('inner', () => 1)),
      );
      await assert.rejects(nested, code('FAILED_PRECONDITION'));
    },
  },
  {
    name: 'records small plain data only',
    async run(context) {
      const engine = await context.open();
      const bad: Record<string, unknown> = {
        large: 'x'.repeat(70_000),
        date: new Date(0),
        map: new Map(),
        'not-a-number': { a: [Number.NaN] },
        function: { run: () => 1 },
        big: 1n,
      };
      for (const [name, value] of Object.entries(bad)) {
        const result = runOnce(engine, `bad-${name}`, (ctx) => ctx.step('returns', () => value));
        await assert.rejects(result, code('INVALID_ARGUMENT'), name);
        await assert.rejects(
          runOnce(engine, `out-${name}`, async () => value),
          code('INVALID_ARGUMENT'),
        );
      }
      const good = { a: [1, 'two', null, { b: true }], c: undefined };
      const result = await runOnce(engine, 'good', (ctx) => ctx.step('returns', () => good));
      assert.deepEqual(result, { a: [1, 'two', null, { b: true }] });
      assert.equal(
        await runOnce(engine, 'none', (ctx) => ctx.step('returns', () => {})),
        undefined,
      );
      const largest = 'x'.repeat(64 * 1024 - 2);
      const largestResult = await runOnce(engine, 'largest', (ctx) =>
        ctx.step('it', () => largest),
      );
      assert.equal(largestResult.length, largest.length);
    },
  },
  {
    name: 'retries what may succeed on the next try, and nothing else',
    async run(context) {
      const engine = await context.open();
      const attempt = async (id: string, error: () => unknown, options?: StepOptions) => {
        const attempts: number[] = [];
        const tokens = new Set<string>();
        const step = ({ attempt: count, token }: StepContext) => {
          attempts.push(count);
          tokens.add(token);
          if (attempts.length < 3) throw error();
          return 'through';
        };
        const result = await runOnce(engine, id, (ctx) => ctx.step('tries', step, options)).catch(
          (failure: unknown) => failure,
        );
        assert.equal(tokens.size, 1);
        return { result, attempts };
      };
      assert.deepEqual(await attempt('busy', busy), { result: 'through', attempts: [1, 2, 3] });
      const once = await attempt('once', busy, { retry: { maxAttempts: 2 } });
      assert.deepEqual(once.attempts, [1, 2]);
      assert.ok(ImgkitError.is(once.result, 'UNAVAILABLE'));
      const refused = await attempt('refused', () => new ImgkitError('PERMISSION_DENIED', 'no'));
      assert.deepEqual(refused.attempts, [1]);
      const bug = await attempt('bug', () => new TypeError('a bug'));
      assert.deepEqual(bug.attempts, [1]);
      assert.ok(ImgkitError.is(bug.result, 'OPERATION_FAILED') && /a bug/.test(bug.result.message));
    },
  },
  {
    name: 'waits as long as the cloud asks before it retries',
    async run(context) {
      const clock = new FakeClock();
      const engine = await context.open({ clock });
      let calls = 0;
      const result = runOnce(engine, 'patient', (ctx) =>
        ctx.step('tries', () => {
          calls += 1;
          if (calls > 1) return clock.now();
          throw new ImgkitError('RATE_LIMITED', 'slow down', { retryAfterMs: 90_000 });
        }),
      );
      const began = clock.now();
      await until(() => clock.sleeping > 0);
      await clock.advance(89_999);
      assert.equal(calls, 1);
      await clock.advance(1);
      assert.equal((await result) - began, 90_000);
    },
  },
  {
    name: 'ends an attempt whose time is up',
    async run(context) {
      const engine = await context.open({ graceMs: 5 });
      let attempts = 0;
      const heeds = runOnce(engine, 'heeds', (ctx) =>
        ctx.step(
          'hangs',
          (step) => {
            attempts += 1;
            if (attempts === 2) return 'through';
            return new Promise<string>((_resolve, reject) => {
              step.signal.addEventListener('abort', () => reject(new Error('stopped')));
            });
          },
          { timeoutMs: 5 },
        ),
      );
      assert.equal(await heeds, 'through');
      const deaf = runOnce(engine, 'deaf', (ctx) =>
        ctx.step('hangs', nevermore, { timeoutMs: 5, retry: { maxAttempts: 1 } }),
      );
      await assert.rejects(deaf, code('TIMEOUT'));
    },
  },
  {
    name: 'does not start a timer anew after a crash',
    async run(context) {
      const clock = new FakeClock();
      const workflow = defineWorkflow({
        name: 'timer',
        protocol: 1,
        async run(ctx: WorkflowContext) {
          await ctx.sleep('an hour', 3_600_000);
          return ctx.now();
        },
      });
      const began = clock.now();
      const victim = await context.open({ clock });
      await victim.engine.start(workflow, undefined, { id: 'timer' });
      await until(() => clock.sleeping > 0);
      await clock.advance(1_800_000);
      victim.kill();
      await clock.advance(600_000);
      const { engine } = await context.open({ clock });
      const run = await engine.start(workflow, undefined, { id: 'timer' });
      await until(() => clock.sleeping > 0);
      await clock.advance(1_199_999);
      assert.equal((await engine.show('timer')).state, 'RUNNING');
      await clock.advance(1);
      assert.equal((await run.result()) - began, 3_600_000);
    },
  },
  {
    name: 'makes a live object once, disposes of it before what it uses is removed, and makes it anew after a crash',
    async run(context) {
      // What the killed process had open is not of interest here.
      let log: string[] = [];
      const { cloud } = context;
      cloud.onRemove = async ({ id }) => void log.push(`remove ${id}`);
      const connect = (ctx: WorkflowContext, key: string) =>
        ctx.memo(
          key,
          () => {
            log.push(`open ${key}`);
            return { key, log };
          },
          (value) => void value.log.push(`close ${value.key}`),
        );
      const victim = await context.open();
      let crash = true;
      const workflow = defineWorkflow({
        name: 'live',
        protocol: 1,
        async run(ctx: WorkflowContext) {
          await ctx.acquire('vm', cloud.thing('instance', 'vm'));
          await ctx.step('uses', async () => {
            const [one, two] = [await connect(ctx, 'a'), await connect(ctx, 'a')];
            assert.equal(one, two);
            await connect(ctx, 'b');
          });
          if (crash) {
            victim.kill();
            await nevermore();
          }
          await connect(ctx, 'a');
          await connect(ctx, 'b');
          await ctx.forget('a');
          await connect(ctx, 'a');
          await assert.rejects(ctx.memo('c', () => Promise.reject(new Error('not yet'))));
          assert.equal(await ctx.memo('c', () => 'now'), 'now');
        },
      });
      await victim.engine.start(workflow, undefined, { id: 'live' });
      await victim.killed;
      assert.deepEqual(log.slice(0, 2), ['open a', 'open b']);
      log = [];
      crash = false;
      const { engine } = await context.open();
      await (await engine.start(workflow, undefined, { id: 'live' })).result();
      const uses = ['open a', 'open b', 'close a', 'open a'];
      assert.deepEqual(log, uses.concat('close a', 'close b', 'remove vm-1'));
    },
  },
  {
    name: 'tells nothing twice while recorded steps are passed over',
    async run(context) {
      const victim = await context.open();
      let crash = true;
      const workflow = defineWorkflow({
        name: 'tells',
        protocol: 1,
        async run(ctx: WorkflowContext) {
          ctx.progress({ message: 'begin' });
          await ctx.step('one', () => 1);
          ctx.progress({ message: 'after one' });
          await ctx.step('two', (step) => step.progress({ message: 'in two', topic: 'output' }));
          if (crash) {
            victim.kill();
            await nevermore();
          }
          ctx.progress({ message: 'end', fraction: 1, data: { all: true } });
        },
      });
      await victim.engine.start(workflow, undefined, { id: 'tells' });
      await victim.killed;
      crash = false;
      const { engine } = await context.open();
      await (await engine.start(workflow, undefined, { id: 'tells' })).result();
      const events = await collect(engine.events('tells'));
      const told = events.filter((event) => event.type === 'progress');
      assert.deepEqual(
        told.map(({ message }) => message),
        ['begin', 'after one', 'in two', 'end'],
      );
      assert.deepEqual([told[2]?.topic, told[2]?.step], ['output', 'two']);
      assert.deepEqual([told[3]?.fraction, told[3]?.data], [1, { all: true }]);
    },
  },
  {
    name: 'goes on with a run whose step was renamed, and reports the step it no longer knows',
    async run(context) {
      const victim = await context.open();
      const { cloud } = context;
      const begun = gate();
      const version = (name: string, then: () => Promise<void>) =>
        defineWorkflow({
          name: 'renames',
          protocol: 1,
          async run(ctx: WorkflowContext) {
            await ctx.step('same', () => 1);
            await ctx.acquire(name, cloud.thing('disk', name));
            await then();
            ctx.progress({ message: 'told' });
            return name;
          },
        });
      await victim.engine.start(
        version('old', () => (begun.open(), nevermore())),
        undefined,
        {
          id: 'renamed',
        },
      );
      await begun.opened;
      victim.kill();
      const { engine } = await context.open();
      const run = await engine.start(
        version('new', async () => {}),
        undefined,
        { id: 'renamed' },
      );
      assert.equal(await run.result(), 'new');
      const { steps } = await engine.show('renamed');
      assert.deepEqual(
        steps.map(({ name, unknown }) => [name, unknown]),
        [
          ['same', false],
          ['old', true],
          ['new', false],
        ],
      );
      const events = await collect(engine.events('renamed'));
      assert.ok(events.some(({ type, step }) => type === 'step-unknown' && step === 'old'));
      assert.ok(events.some(({ message }) => message === 'told'));
      assert.deepEqual(cloud.things, []);
    },
  },
];
