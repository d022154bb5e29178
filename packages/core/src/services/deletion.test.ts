import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { memory } from '../testing/index.ts';
import { project } from '../spec/principal.ts';
import type { Image } from '../spec/image.ts';
import { holdLabel } from './deletion.ts';
import { collect, openTestKit } from './open-test-kit.ts';

const uses = ['instance', 'child', 'head', 'channel', 'grant', 'hold', 'disk', 'fleet'] as const;

describe('a plan of deletion', () => {
  it('gives each image a decision with reasons, and changes nothing', async () => {
    await using test = await openTestKit();
    const { kit } = test;
    const free = await test.image('free');
    const held = await test.image('held', { labels: { [holdLabel]: 'audit' } });
    const head = await test.image('web-1', { family: 'web' });
    await kit.families.publish(head.ref);
    const plan = await kit.deletion.plan([free.ref, held.ref, head.ref, free.ref]);
    expect(plan.items).toMatchObject([
      { name: 'free', decision: 'delete', reasons: ['nothing uses it'] },
      { name: 'held', decision: 'keep', reasons: [`it is held: ${holdLabel}=audit`] },
      { name: 'web-1', decision: 'keep', reasons: ['it is the head of family "web"'] },
    ]);
    expect(JSON.parse(JSON.stringify(plan))).toEqual(plan);
    expect(await collect(kit.images.list('prod'))).toHaveLength(3);
  });

  it('never has what is in use, or what nobody can tell of', async () => {
    await using test = await openTestKit({ traits: { sharing: { unit: 'image' } } });
    const { kit, cloud } = test;
    let round = 0;
    const plans = fc.array(fc.subarray([...uses], { maxLength: 3 }), {
      minLength: 1,
      maxLength: 4,
    });
    const outages = fc.subarray(['usage.of', 'sharing.list', 'publishing.head']);
    await fc.assert(
      fc.asyncProperty(plans, outages, async (graph, outage) => {
        const prefix = `r${(round += 1)}`;
        const images: { image: Image; used: boolean }[] = [];
        for (const [index, wanted] of graph.entries()) {
          const name = `${prefix}-${index}`;
          const image = await test.image(name, { family: name });
          for (const use of wanted) await add(use, image);
          images.push({ image, used: wanted.length > 0 });
        }
        for (const operation of outage) cloud.faults.fail(operation, { times: Infinity });
        const plan = await kit.deletion.plan(images.map(({ image }) => image.ref));
        const results = await kit.deletion.execute(plan);
        cloud.faults.clear();
        for (const [index, { image, used }] of images.entries()) {
          const keep = used || outage.length > 0;
          expect(plan.items[index]).toMatchObject({ decision: keep ? 'keep' : 'delete' });
          expect(plan.items[index]?.reasons).not.toEqual([]);
          expect(results[index]).toMatchObject({ outcome: keep ? 'kept' : 'deleted' });
          const found = await kit.images.find('prod', { name: image.name });
          expect(found !== undefined).toBe(keep);
        }
      }),
      { numRuns: 30 },
    );

    async function add(use: (typeof uses)[number], image: Image): Promise<void> {
      const provider = kit.providers.get('prod');
      const boot = { kind: 'image', image: image.ref } as const;
      const name = `${image.name}-${use}`;
      if (use === 'instance') await provider.instances?.launch({ name, boot });
      if (use === 'fleet') await provider.fleets?.create({ name, size: 0, template: { boot } });
      if (use === 'disk') await provider.disks?.create({ name, source: boot });
      if (use === 'child') await kit.images.create('prod', { name, source: boot });
      if (use === 'head') await kit.families.publish(image.ref);
      if (use === 'channel') await kit.families.channels.set('prod', image.name, 'live', image.ref);
      if (use === 'grant') await kit.sharing.grant(image.ref, [project('team-a')]);
      if (use === 'hold') await kit.images.update(image.ref, { labels: { [holdLabel]: 'yes' } });
    }
  });

  it('keeps everything of a provider that knows no users', async () => {
    await using test = await openTestKit({
      providers: (cloud) => [memory({ name: 'prod', cloud, without: ['usage'] })],
    });
    const image = await test.image('web-1');
    const { items } = await test.kit.deletion.plan([image.ref]);
    expect(items).toMatchObject([{ decision: 'keep' }]);
  });

  it("keeps another project's image", async () => {
    await using test = await openTestKit({
      providers: (cloud) => [
        memory({ name: 'prod', cloud, project: 'a' }),
        memory({ name: 'team', cloud, project: 'b' }),
      ],
    });
    const image = await test.image('web-1');
    await test.kit.sharing.grant(image.ref, [project('b')]);
    const { items } = await test.kit.deletion.plan({ provider: 'team', project: 'a' });
    expect(items).toMatchObject([{ decision: 'keep' }]);
    expect(items[0]?.reasons).toContain('it belongs to project "a"');
  });

  it('of an empty listing deletes nothing', async () => {
    await using test = await openTestKit();
    await test.image('web-1');
    const plan = await test.kit.deletion.plan({ provider: 'prod', family: 'nope' });
    expect(await test.kit.deletion.execute(plan)).toEqual([]);
    expect(test.cloud.count('images.delete')).toBe(0);
    await expect(test.kit.deletion.plan(['nope:x'])).rejects.toMatchObject({
      code: 'PROVIDER_NOT_FOUND',
    });
  });
});

describe('executing a plan', () => {
  it('looks at each image again right before', async () => {
    await using test = await openTestKit();
    const { kit } = test;
    const one = await test.image('web-1', { family: 'web' });
    const two = await test.image('web-2');
    const plan = await kit.deletion.plan([one.ref, two.ref]);
    await kit.families.publish(one.ref);
    expect(await kit.deletion.execute(plan)).toMatchObject([
      { name: 'web-1', outcome: 'kept', reasons: ['it is the head of family "web"'] },
      { name: 'web-2', outcome: 'deleted' },
    ]);
    expect(await kit.deletion.execute(plan)).toMatchObject([
      { outcome: 'kept' },
      { outcome: 'deleted', reasons: ['it is gone'] },
    ]);
  });

  it('never deletes what the plan keeps', async () => {
    await using test = await openTestKit();
    const image = await test.image('web-1', { labels: { [holdLabel]: 'yes' } });
    const plan = await test.kit.deletion.plan([image.ref]);
    await test.kit.images.update(image.ref, { labels: { [holdLabel]: null } });
    expect(await test.kit.deletion.execute(plan)).toMatchObject([{ outcome: 'kept' }]);
    expect(test.cloud.count('images.delete')).toBe(0);
  });

  it('leaves another image that got the id since', async () => {
    await using test = await openTestKit();
    const { ref } = await test.image('web-1');
    const [item] = (await test.kit.deletion.plan([ref])).items;
    const items = item === undefined ? [] : [{ ...item, createdAt: '2020-01-01T00:00:00Z' }];
    expect(await test.kit.deletion.execute({ items })).toMatchObject([{ outcome: 'kept' }]);
    expect(await test.kit.images.get(ref)).toMatchObject({ name: 'web-1' });
  });

  it('goes on after a failure, and says what failed', async () => {
    await using test = await openTestKit();
    const refs = [(await test.image('web-1')).ref, (await test.image('web-2')).ref];
    const plan = await test.kit.deletion.plan(refs);
    test.cloud.faults.fail('images.delete', { code: 'PERMISSION_DENIED' });
    expect(await test.kit.deletion.execute(plan)).toMatchObject([
      { outcome: 'failed', error: { code: 'PERMISSION_DENIED' } },
      { outcome: 'deleted' },
    ]);
  });

  it('tells what was done when it is cancelled', async () => {
    await using test = await openTestKit();
    const refs = [(await test.image('web-1')).ref, (await test.image('web-2')).ref];
    const plan = await test.kit.deletion.plan(refs);
    const controller = new AbortController();
    const hold = test.cloud.faults.hold('images.delete', { when: 'after' });
    const executing = test.kit.deletion.execute(plan, { signal: controller.signal });
    await hold.reached;
    controller.abort();
    hold.release();
    await expect(executing).rejects.toMatchObject({ code: 'CANCELLED' });
    expect(await collect(test.kit.images.list('prod', { name: 'web-2' }))).toHaveLength(1);
  });
});
