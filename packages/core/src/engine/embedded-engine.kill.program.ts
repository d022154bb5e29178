import { randomUUID } from 'node:crypto';
import { appendFileSync, linkSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { flushCompileCache } from 'node:module';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { thingsIn } from './embedded-engine.kill.cloud.ts';
import { defineWorkflow, embeddedEngine } from './index.ts';
import type { Resource, ResourceRemover, WorkflowContext } from './index.ts';

// A program for embedded-engine.kill.test.ts to kill. Its cloud is a directory, in which a thing is there before its maker hears of it; see embedded-engine.kill.cloud.ts.

const [journal = '', cloud = '', id = ''] = process.argv.slice(2);
const things = () => thingsIn(cloud, '.json');
const codeOf = (error: unknown) => (error instanceof Error ? Reflect.get(error, 'code') : '');

const thing = (kind: 'instance' | 'disk' | 'image', name: string): Resource => ({
  provider: 'directory',
  kind,
  async create({ token, labels }) {
    await delay(5);
    const made = { id: `${name}-${token.slice(0, 8)}`, name, token, labels };
    const draft = join(cloud, `${token}.${process.pid}.tmp`);
    writeFileSync(draft, JSON.stringify(made));
    try {
      linkSync(draft, join(cloud, `${token}.json`));
    } catch (error) {
      // An earlier attempt has made it.
      if (codeOf(error) !== 'EEXIST') throw error;
    }
    rmSync(draft);
    await delay(10);
    return { id: made.id };
  },
});

const remover: ResourceRemover = {
  async remove(resource) {
    for (const { id: known, token } of things()) {
      if (known !== resource.id) continue;
      try {
        renameSync(join(cloud, `${token}.json`), join(cloud, `${token}.${randomUUID()}.gone`));
      } catch (error) {
        // The other process has removed it.
        if (codeOf(error) !== 'ENOENT') throw error;
      }
    }
  },
  find: async ({ token }) => things().find((known) => known.token === token)?.id,
  async *listOwned() {
    // Nothing is lost here that the tokens don't find.
  },
};

const child = defineWorkflow({
  name: 'child',
  protocol: 1,
  async run(ctx: WorkflowContext, name: string) {
    await ctx.acquire('vm', thing('instance', `vm-${name}`));
    await ctx.sleep('pause', 10);
    const image = await ctx.acquire('image', thing('image', `image-${name}`), {
      keepOnSuccess: true,
    });
    return image.id;
  },
});

const tour = defineWorkflow({
  name: 'tour',
  protocol: 1,
  async run(ctx: WorkflowContext) {
    const disk = await ctx.acquire('disk', thing('disk', 'disk'));
    const handles = [];
    for (const name of ['a', 'b', 'c']) handles.push(await ctx.child(child, name, { name }));
    for (const name of ['one', 'two', 'three']) {
      await ctx.step(name, async (step) => {
        appendFileSync(join(cloud, 'steps.log'), `${name}\n`);
        for (let line = 0; line < 20; line += 1) step.progress({ message: `${name} ${line}` });
        await delay(15, undefined, { signal: step.signal });
      });
    }
    await ctx.release(disk);
    const images = await Promise.all(handles.map((handle) => handle.result()));
    return images.length;
  },
});

flushCompileCache();
const engine = embeddedEngine({ directory: journal, remover, settleMs: 20 });
const run = await engine.start(tour, undefined, { id });
process.stdout.write('started\n');
const images = await run.result();
const left = things()
  .map(({ name }) => name)
  .toSorted();
process.stdout.write(`result ${JSON.stringify({ images, left })}\n`);
await engine.close();
