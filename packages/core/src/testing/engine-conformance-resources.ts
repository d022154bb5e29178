import assert from 'node:assert/strict';
import { ImgkitError } from '../spec/errors.ts';
import { ownershipLabels } from '../spec/labels.ts';
import { defineWorkflow } from '../engine/index.ts';
import type { WorkflowContext } from '../engine/index.ts';
import type { CheckContext, EngineCheck } from './engine-conformance-context.ts';
import { collect, until } from './engine-conformance-context.ts';

/** Makes three things, of which it wants one kept, and fails when told to. */
function makingWorkflow({ cloud }: CheckContext, fail: () => boolean) {
  return defineWorkflow({
    name: 'making',
    protocol: 1,
    async run(ctx: WorkflowContext) {
      await ctx.acquire('network', cloud.thing('disk', 'network'));
      await ctx.acquire('image', cloud.thing('image', 'image'), { keepOnSuccess: true });
      await ctx.acquire('vm', cloud.thing('instance', 'vm'));
      if (fail()) throw new ImgkitError('QUOTA_EXCEEDED', 'no more', { hint: 'Ask for more.' });
      return 'made';
    },
  });
}

const names = ({ cloud }: CheckContext) => cloud.things.map(({ name }) => name);

/** What becomes of what runs make. */
export const resourceChecks: readonly EngineCheck[] = [
  {
    name: 'keeps what a run that succeeds wants kept, and removes the rest, the newest first',
    async run(context) {
      const { engine } = await context.open();
      const run = await engine.start(
        makingWorkflow(context, () => false),
        undefined,
        { id: 'ok' },
      );
      assert.equal(await run.result(), 'made');
      assert.deepEqual(names(context), ['image']);
      assert.deepEqual(context.cloud.removals, ['vm-3', 'network-1']);
      const { ledger } = await engine.show('ok');
      assert.deepEqual(
        ledger.map(({ step, state }) => [step, state]),
        [
          ['network', 'deleted'],
          ['image', 'kept'],
          ['vm', 'deleted'],
        ],
      );
    },
  },
  {
    name: 'removes everything of a run that fails, the newest first, and keeps its error',
    async run(context) {
      const { engine } = await context.open();
      const run = await engine.start(
        makingWorkflow(context, () => true),
        undefined,
        { id: 'bad' },
      );
      await assert.rejects(
        run.result(),
        (error) => ImgkitError.is(error, 'QUOTA_EXCEEDED') && error.hint === 'Ask for more.',
      );
      assert.deepEqual(names(context), []);
      assert.deepEqual(context.cloud.removals, ['vm-3', 'image-2', 'network-1']);
    },
  },
  {
    name: 'labels what it makes, and gives the same labels to no other installation',
    async run(context) {
      const { engine } = await context.open();
      const run = await engine.start(
        makingWorkflow(context, () => false),
        undefined,
        {
          id: 'bake:web/1.0_RC',
          expiresInMs: 3_600_000,
        },
      );
      await run.result();
      const [image] = context.cloud.things;
      assert.ok(image !== undefined);
      assert.equal(image.labels[ownershipLabels.owner], await engine.owner());
      const { label } = await engine.show('bake:web/1.0_RC');
      assert.equal(image.labels[ownershipLabels.run], label);
      assert.equal(image.labels[ownershipLabels.step], 'image');
      const expires = Number(image.labels[ownershipLabels.expires]) * 1000 - Date.now();
      assert.ok(expires > 3_500_000 && expires < 3_700_000);
      for (const value of Object.values(image.labels)) assert.match(value, /^[a-z0-9-]{1,63}$/);
    },
  },
  {
    name: 'has the intent in the ledger before the create is called, and the id after it',
    async run(context) {
      const { engine } = await context.open();
      let during: unknown;
      const beforeEffect = async () => {
        const [entry] = await collect(engine.ledger({ runId: 'order' }));
        during = entry && [entry.state, entry.id];
      };
      const workflow = defineWorkflow({
        name: 'order',
        protocol: 1,
        async run(ctx: WorkflowContext) {
          const vm = context.cloud.thing('instance', 'vm', { beforeEffect });
          const { id, token } = await ctx.acquire('vm', vm);
          const [entry] = await collect(engine.ledger());
          assert.deepEqual([entry?.state, entry?.id, entry?.token], ['created', id, token]);
        },
      });
      await (await engine.start(workflow, undefined, { id: 'order' })).result();
      assert.deepEqual(during, ['intent', undefined]);
    },
  },
  {
    name: 'removes a resource whose answer was lost',
    async run(context) {
      const { engine } = await context.open();
      const workflow = defineWorkflow({
        name: 'lost',
        protocol: 1,
        async run(ctx: WorkflowContext) {
          const vm = context.cloud.thing('instance', 'vm', {
            async afterEffect() {
              throw new ImgkitError('OPERATION_FAILED', 'the answer was lost');
            },
          });
          await ctx.acquire('vm', vm);
        },
      });
      const run = await engine.start(workflow, undefined, { id: 'lost' });
      await assert.rejects(run.result(), /the answer was lost/);
      assert.equal(context.cloud.made('vm'), 1);
      assert.deepEqual(names(context), []);
    },
  },
  {
    name: 'releases and keeps on request, once each',
    async run(context) {
      const { cloud } = context;
      const { engine } = await context.open();
      const workflow = defineWorkflow({
        name: 'release',
        protocol: 1,
        async run(ctx: WorkflowContext) {
          const vm = await ctx.acquire('vm', cloud.thing('instance', 'vm'));
          const disk = await ctx.acquire('disk', cloud.thing('disk', 'disk'));
          await ctx.release(vm);
          await ctx.release(vm);
          await ctx.keep(disk);
          await ctx.keep(disk);
          await assert.rejects(ctx.keep(vm), (e) => ImgkitError.is(e, 'FAILED_PRECONDITION'));
          assert.deepEqual(names(context), ['disk']);
          throw new Error('after all');
        },
      });
      const run = await engine.start(workflow, undefined, { id: 'release' });
      await assert.rejects(run.result(), /after all/);
      assert.deepEqual(names(context), ['disk']);
      assert.deepEqual(cloud.removals, ['vm-1']);
    },
  },
  {
    name: 'leaves everything standing for a look when asked, until it is cleaned up',
    async run(context) {
      const { engine } = await context.open();
      const run = await engine.start(
        makingWorkflow(context, () => true),
        undefined,
        {
          id: 'look',
          keepOnFailure: true,
        },
      );
      await assert.rejects(
        run.result(),
        (error) => ImgkitError.is(error, 'QUOTA_EXCEEDED') && error.leftovers?.length === 3,
      );
      assert.deepEqual(names(context), ['network', 'image', 'vm']);
      const events = await collect(engine.events('look'));
      assert.equal(events.filter(({ type }) => type === 'resource-left').length, 3);
      const report = await engine.cleanup('look');
      assert.equal(report.removed.length, 3);
      assert.deepEqual(names(context), []);
      assert.deepEqual(await engine.cleanup('look'), { removed: [], left: [] });
    },
  },
  {
    name: 'tells what could not be removed, removes the rest, and tries again on request',
    async run(context) {
      const { cloud } = context;
      const { engine } = await context.open();
      cloud.onRemove = async ({ id }) => {
        if (id.startsWith('image')) throw new ImgkitError('IN_USE', 'somebody uses it');
      };
      const run = await engine.start(
        makingWorkflow(context, () => true),
        undefined,
        { id: 'stuck' },
      );
      await assert.rejects(run.result(), (error) => {
        assert.ok(ImgkitError.is(error, 'QUOTA_EXCEEDED'));
        assert.deepEqual(error.leftovers, [
          { provider: 'fake', kind: 'image', id: 'image-2', reason: 'somebody uses it' },
        ]);
        return true;
      });
      assert.deepEqual(names(context), ['image']);
      const { ledger } = await engine.show('stuck');
      const left = ledger.find(({ kind }) => kind === 'image');
      assert.deepEqual([left?.state, left?.leftReason], ['created', 'somebody uses it']);
      cloud.onRemove = async () => {};
      assert.equal((await engine.cleanup('stuck')).removed.length, 1);
      assert.deepEqual(names(context), []);
    },
  },
  {
    name: 'retries a removal that may succeed on the next try',
    async run(context) {
      const { cloud } = context;
      const { engine } = await context.open();
      let calls = 0;
      cloud.onRemove = async () => {
        calls += 1;
        if (calls < 3) throw new ImgkitError('UNAVAILABLE', 'later');
      };
      const run = await engine.start(
        makingWorkflow(context, () => true),
        undefined,
        { id: 'slow' },
      );
      await assert.rejects(run.result(), (e) => ImgkitError.is(e) && e.leftovers === undefined);
      assert.deepEqual(names(context), []);
    },
  },
  {
    name: 'starts a failed run anew as its next attempt when asked, with new tokens, and else gives its old result',
    async run(context) {
      const { engine } = await context.open();
      let fail = true;
      const workflow = makingWorkflow(context, () => fail);
      const first = await engine.start(workflow, undefined, { id: 'again' });
      await assert.rejects(first.result());
      fail = false;
      const same = await engine.start(workflow, undefined, { id: 'again' });
      await assert.rejects(same.result(), (error) => ImgkitError.is(error, 'QUOTA_EXCEEDED'));
      assert.equal(context.cloud.made('vm'), 1);
      const second = await engine.start(workflow, undefined, { id: 'again', restart: true });
      assert.equal(await second.result(), 'made');
      assert.equal(context.cloud.made('vm'), 2);
      assert.deepEqual(names(context), ['image']);
      const { attempt, ledger, state } = await engine.show('again');
      assert.deepEqual([attempt, state], [2, 'SUCCEEDED']);
      assert.equal(new Set(ledger.map(({ token }) => token)).size, 6);
      const third = await engine.start(workflow, undefined, { id: 'again', restart: true });
      assert.equal(await third.result(), 'made');
      assert.equal(context.cloud.made('vm'), 2);
    },
  },
  {
    name: 'keeps the result of children that succeeded when their parent is started anew',
    async run(context) {
      const { cloud } = context;
      const { engine } = await context.open();
      let fail = true;
      const child = defineWorkflow({
        name: 'half',
        protocol: 1,
        async run(ctx: WorkflowContext, input: string) {
          const image = cloud.thing('image', input);
          const { id } = await ctx.acquire('image', image, { keepOnSuccess: true });
          if (input === 'bad' && fail) throw new ImgkitError('OPERATION_FAILED', 'not today');
          return id;
        },
      });
      const parent = defineWorkflow({
        name: 'both',
        protocol: 1,
        async run(ctx: WorkflowContext) {
          const ids = [];
          for (const name of ['good', 'bad']) {
            ids.push(await (await ctx.child(child, name, { name })).result());
          }
          return ids;
        },
      });
      const first = await engine.start(parent, undefined, { id: 'both' });
      await assert.rejects(first.result(), /not today/);
      assert.deepEqual(names(context), ['good']);
      fail = false;
      const second = await engine.start(parent, undefined, { id: 'both', restart: true });
      assert.deepEqual(await second.result(), ['good-1', 'bad-3']);
      assert.deepEqual(names(context), ['good', 'bad']);
    },
  },
  {
    name: 'cancels the children of a run that fails, and removes what they made before what it made',
    async run(context) {
      const { cloud } = context;
      const { engine } = await context.open();
      const child = defineWorkflow({
        name: 'waits',
        protocol: 1,
        async run(ctx: WorkflowContext, input: string) {
          await ctx.acquire('vm', cloud.thing('instance', input));
          await ctx.waitSignal('never');
        },
      });
      const parent = defineWorkflow({
        name: 'gives up',
        protocol: 1,
        async run(ctx: WorkflowContext) {
          await ctx.acquire('network', cloud.thing('disk', 'network'));
          for (const name of ['a', 'b']) await ctx.child(child, name, { name });
          await ctx.step('until both are there', () => until(() => cloud.things.length === 3));
          throw new Error('no use');
        },
      });
      const run = await engine.start(parent, undefined, { id: 'tree' });
      await assert.rejects(run.result(), /no use/);
      assert.deepEqual(names(context), []);
      assert.equal(cloud.removals.at(-1), 'network-1');
      const { children } = await engine.show('tree');
      assert.deepEqual(
        children.map(({ state }) => state),
        ['CANCELLED', 'CANCELLED'],
      );
    },
  },
];
