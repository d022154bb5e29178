import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { ImgkitError } from '../spec/errors.ts';
import { FakeCloud } from '../testing/engine-conformance-cloud.ts';
import { EmbeddedEngine } from './embedded-engine.ts';
import { openJournal } from './journal.ts';
import { defineWorkflow } from './workflow.ts';
import type { StepContext, WorkflowContext } from './workflow.ts';

let directory = '';
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'imgkit-fault-'));
});
afterEach(() => rmSync(directory, { recursive: true, force: true }));

const makesOne = (cloud: FakeCloud) =>
  defineWorkflow({
    name: 'makes-one',
    protocol: 1,
    async run(ctx: WorkflowContext) {
      const image = cloud.thing('image', 'image');
      return (await ctx.acquire('image', image, { keepOnSuccess: true })).id;
    },
  });

describe('embeddedEngine whose journal can not be written', () => {
  it('stops the run with the reason, lets others have it, and loses nothing', async () => {
    const cloud = new FakeCloud();
    const workflow = makesOne(cloud);
    const full = new ImgkitError('FAILED_PRECONDITION', 'the disk is full');
    const engine = new EmbeddedEngine(
      { directory, remover: cloud },
      {
        async open(...parts) {
          const journal = await openJournal(...parts);
          journal.steps.succeed = () => {
            throw full;
          };
          return journal;
        },
      },
    );
    const run = await engine.start(workflow, undefined, { id: 'one' });
    await expect(run.result()).rejects.toBe(full);
    const other = new EmbeddedEngine({ directory, remover: cloud });
    const again = await other.start(workflow, undefined, { id: 'one' });
    expect(await again.result()).toBe('image-1');
    expect(cloud.made('image')).toBe(1);
    await engine.close();
    await other.close();
  });
});

describe('embeddedEngine', () => {
  it('lets steps log with the run, the step and the attempt', async () => {
    const lines: unknown[] = [];
    const log = (message: string, fields?: object) => void lines.push([message, fields]);
    const logger = { debug: log, info: log, warn: log, error: log };
    const engine = new EmbeddedEngine({ directory, remover: new FakeCloud(), logger });
    const workflow = defineWorkflow({
      name: 'logs',
      protocol: 1,
      run: (ctx: WorkflowContext) =>
        ctx.step('says', ({ log: own }: StepContext) => own.info('hello', { size: 8 })),
    });
    await (await engine.start(workflow, undefined, { id: 'logs' })).result();
    expect(lines).toEqual([['hello', { run: 'logs', step: 'says', attempt: 1, size: 8 }]]);
    await engine.close();
  });

  it('stops waiting when its caller no longer wants the answer, and goes on with the run', async () => {
    const engine = new EmbeddedEngine({ directory, remover: new FakeCloud() });
    const workflow = defineWorkflow({
      name: 'waits',
      protocol: 1,
      run: (ctx: WorkflowContext) => ctx.waitSignal('go'),
    });
    const run = await engine.start(workflow, undefined, { id: 'waits' });
    const controller = new AbortController();
    const result = run.result({ signal: controller.signal });
    controller.abort();
    await expect(result).rejects.toMatchObject({ code: 'CANCELLED' });
    await engine.signal('waits', 'go', 'now', { key: 'go' });
    expect(await run.result()).toBe('now');
    await engine.close();
    await expect(engine.owner()).rejects.toMatchObject({ code: 'FAILED_PRECONDITION' });
  });
});
