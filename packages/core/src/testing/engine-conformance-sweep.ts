import assert from 'node:assert/strict';
import { ownershipLabels } from '../spec/labels.ts';
import { defineWorkflow, Runs, systemClock } from '../engine/index.ts';
import type { WorkflowContext } from '../engine/index.ts';
import type { EngineCheck } from './engine-conformance-context.ts';
import { collect, eventOf } from './engine-conformance-context.ts';

const { run: runLabel, owner: ownerLabel, expires: expiresLabel } = ownershipLabels;

/** What sweep takes and what it leaves. */
export const sweepChecks: readonly EngineCheck[] = [
  {
    name: 'sweeps what is nobody’s any more, by plan, and nothing else',
    async run(context) {
      const { cloud } = context;
      const { engine } = await context.open();
      const runs = new Runs({ engine, remover: cloud });
      const workflow = defineWorkflow({
        name: 'bake',
        protocol: 1,
        async run(ctx: WorkflowContext, wait: boolean) {
          await ctx.acquire('image', cloud.thing('image', 'golden'), { keepOnSuccess: true });
          if (wait) await ctx.waitSignal('go');
        },
      });
      await (await engine.start(workflow, false, { id: 'over' })).result();
      await engine.start(workflow, true, { id: 'running' });
      await eventOf(engine, 'running', ({ type }) => type === 'resource-created');

      const owner = await engine.owner();
      const seconds = Math.floor(Date.now() / 1000);
      const future = String(seconds + 3600);
      const past = String(seconds - 2 * 3600);
      const justPast = String(seconds - 60);
      const labels = (run: string, expires: string, of = owner) => ({
        [ownerLabel]: of,
        [runLabel]: run,
        [expiresLabel]: expires,
      });
      cloud.plant('image', 'draft-of-over', labels('over', future));
      cloud.plant('disk', 'disk-of-over', labels('over', future));
      cloud.plant('instance', 'vm-of-over', labels('over', future));
      cloud.plant('instance', 'vm-of-running', labels('running', past));
      cloud.plant('instance', 'unknown-expired', labels('unknown', past));
      cloud.plant('instance', 'unknown-fresh', labels('unknown', future));
      cloud.plant('instance', 'unknown-just-expired', labels('unknown', justPast));
      cloud.plant('instance', 'unknown-never', labels('unknown', 'soon'));
      cloud.plant('instance', 'longer-name', labels('over-2', future));
      cloud.plant('instance', 'another-owner', labels('over', past, `${owner}0`));
      cloud.plant('instance', 'no-run', { [ownerLabel]: owner, [expiresLabel]: past });
      cloud.plant('instance', 'no-owner', { [runLabel]: 'over', [expiresLabel]: past });

      const young = await runs.sweep({ olderThanMs: 3_600_000 });
      assert.deepEqual(
        young.plan.filter(({ action }) => action === 'remove'),
        [],
      );
      const { plan, removed } = await runs.sweep();
      assert.deepEqual(removed, []);
      const doomed = plan.filter(({ action }) => action === 'remove');
      assert.deepEqual(
        doomed.map(({ resource }) => resource.name),
        ['vm-of-over', 'unknown-expired', 'disk-of-over', 'draft-of-over'],
      );
      assert.ok(plan.every(({ reason }) => reason !== ''));
      assert.equal(cloud.removals.length, 0);

      cloud.plant('instance', 'not-in-the-plan', labels('over', past));
      const report = await runs.sweep({ dryRun: false, plan });
      assert.deepEqual(
        report.removed.map(({ id }) => id),
        doomed.map(({ resource }) => resource.id),
      );
      assert.deepEqual(
        cloud.removals,
        doomed.map(({ resource }) => resource.id),
      );
      assert.ok(cloud.things.some(({ name }) => name === 'not-in-the-plan'));
      assert.equal(cloud.things.filter(({ name }) => name === 'golden').length, 2);
      await engine.cancel('running');
    },
  },
  {
    name: 'does not sweep by an old plan what has come to life since',
    async run(context) {
      const { cloud } = context;
      const { engine } = await context.open();
      const runs = new Runs({ engine, remover: cloud });
      let fail = true;
      const workflow = defineWorkflow({
        name: 'again',
        protocol: 1,
        async run(ctx: WorkflowContext) {
          if (fail) throw new Error('not today');
          await ctx.waitSignal('go');
        },
      });
      const run = await engine.start(workflow, undefined, { id: 'again' });
      await assert.rejects(run.result());
      const labels = { [ownerLabel]: await engine.owner(), [runLabel]: 'again' };
      cloud.plant('instance', 'stray', { ...labels, [expiresLabel]: '1' });
      const { plan } = await runs.sweep();
      assert.equal(plan[0]?.action, 'remove');
      fail = false;
      await engine.start(workflow, undefined, { id: 'again', restart: true });
      const report = await runs.sweep({ dryRun: false, plan });
      assert.deepEqual(report.removed, []);
      assert.match(report.left[0]?.reason ?? '', /RUNNING/);
      await engine.cancel('again');
      assert.equal(cloud.things.length, 1);
    },
  },
  {
    name: 'leaves what a failed run left for a look, and notes in the ledger what it swept',
    async run(context) {
      const { cloud } = context;
      let ahead = 0;
      const clock = { ...systemClock(), now: () => Date.now() + ahead };
      const { engine } = await context.open({ clock });
      const runs = new Runs({ engine, remover: cloud, clock });
      const workflow = defineWorkflow({
        name: 'look',
        protocol: 1,
        async run(ctx: WorkflowContext) {
          await ctx.acquire('vm', cloud.thing('instance', 'vm'));
          throw new Error('look at this');
        },
      });
      const options = { id: 'look', keepOnFailure: true, expiresInMs: 60_000 };
      await assert.rejects((await engine.start(workflow, undefined, options)).result());
      assert.equal((await runs.sweep()).plan[0]?.action, 'keep');
      ahead = 2 * 3_600_000;
      const { removed } = await runs.sweep({ dryRun: false });
      assert.equal(removed.length, 1);
      const [entry] = (await runs.show('look')).ledger;
      assert.equal(entry?.state, 'deleted');
    },
  },
  {
    name: 'forgets old runs, but never what they kept or left',
    async run(context) {
      const { cloud } = context;
      let ahead = 0;
      const clock = { ...systemClock(), now: () => Date.now() + ahead };
      const { engine } = await context.open({ clock });
      const runs = new Runs({ engine, remover: cloud, clock });
      const workflow = defineWorkflow({
        name: 'keeps',
        protocol: 1,
        async run(ctx: WorkflowContext, fail: boolean) {
          await ctx.acquire('image', cloud.thing('image', 'golden'), { keepOnSuccess: true });
          if (fail) throw new Error('no');
        },
      });
      await (await engine.start(workflow, false, { id: 'kept' })).result();
      const failed = await engine.start(workflow, true, { id: 'left', keepOnFailure: true });
      await assert.rejects(failed.result());
      assert.equal(await runs.prune({ olderThanMs: 3_600_000 }), 0);
      ahead = 48 * 3_600_000;
      assert.equal(await runs.prune({ olderThanMs: 3_600_000 }), 1);
      const listed = await collect(runs.list());
      assert.deepEqual(
        listed.map(({ id }) => id),
        ['left'],
      );
      await runs.sweep({ dryRun: false });
      assert.deepEqual(
        cloud.things.map(({ id }) => id),
        ['golden-1'],
        'what a forgotten run kept is not swept though it has expired',
      );
      assert.equal(await runs.prune({ olderThanMs: 3_600_000 }), 1);
      ahead += 48 * 3_600_000;
      await (await engine.start(workflow, false, { id: 'kept' })).result();
      assert.deepEqual(
        cloud.things.map(({ id }) => id),
        ['golden-1', 'golden-3'],
        'the same id starts anew',
      );
    },
  },
];
