import type { Fleet, MachineTemplate } from '@imgkit/core';
import { describe, expect, it } from 'vitest';

import { killedAt, machineWorld, owned, proxied, type MachineWorld } from './machine-world.ts';
import { diskFile, missing, scratch } from './openstack.ts';

/** Templates of two images. */
async function templates(
  world: MachineWorld,
  providerOptions: MachineTemplate['providerOptions'] = {},
): Promise<readonly [MachineTemplate, MachineTemplate]> {
  const { provider, run, labels, image } = world;
  const source = { kind: 'file', file: await diskFile(`${await scratch()}/next.raw`) } as const;
  const next = await provider.images.create({ name: `${run}-next`, source, labels });
  const template = ({ ref }: typeof image): MachineTemplate => ({
    boot: { kind: 'image', image: ref },
    machineType: 'tiny',
    providerOptions,
  });
  return [template(image), template(next)];
}

/** How many machines there are of each image, the target's last. */
function counts({ versions }: Fleet): number[] {
  return versions
    .toSorted((a, b) => Number(a.target) - Number(b.target))
    .map((one) => one.instances);
}

describe.skipIf(missing !== undefined)('a fleet', () => {
  it('is rebuilt where it stands, at first in part, stopped, and rolled back', async () => {
    const world = await machineWorld();
    const { provider, run, labels } = world;
    const { fleets, usage } = provider;
    const [one, two] = await templates(world, { diskConfig: 'MANUAL' });
    const made = await fleets.create({ name: run, size: 2, template: one, labels });
    const rebuild = { fleet: made.id, template: two, providerOptions: { strategy: 'rebuild' } };

    const part = await fleets.rollOut({ ...rebuild, canary: 1 });
    expect(counts(part)).toEqual([1, 1]);
    expect(part.instances, 'they keep their ids').toEqual(made.instances);
    const users = (await usage.of(world.image.ref.id)).users.filter(({ id }) => id === made.id);
    expect(users, 'a rollback goes back to it').toMatchObject([{ kind: 'template' }]);

    for (const id of part.instances) {
      const { native } = await provider.instances.get(id);
      expect(native, 'also rebuilt').toMatchObject({ 'OS-DCF:diskConfig': 'MANUAL' });
    }

    const stop = new AbortController();
    const rest = fleets.rollOut(rebuild, { signal: stop.signal });
    await rest.token();
    stop.abort();
    await expect(rest).rejects.toMatchObject({ code: 'CANCELLED' });
    expect((await fleets.get(made.id)).status).toBe('FAILED');

    const back = await fleets.rollBack(made.id);
    expect(back).toMatchObject({ status: 'STABLE', instances: made.instances });
    expect(back.versions).toMatchObject([{ image: world.image.ref, instances: 2 }]);
    const larger = { ...two, bootDiskSizeBytes: 2 ** 20 };
    await expect(fleets.rollOut({ ...rebuild, template: larger })).rejects.toMatchObject({
      code: 'INVALID_ARGUMENT',
    });
  });

  it('stops where a machine fails, says which and why, and goes on or back from there', async () => {
    const world = await machineWorld();
    const { provider, run, labels } = world;
    const { fleets } = provider;
    const [one, two] = await templates(world);
    const made = await fleets.create({ name: run, size: 2, template: one, labels });
    // The tests' Nova fails over the server that has this name; the first new one has number 3.
    const failing = { ...two, metadata: { fails: `${run}-1` } };
    const failure = {
      code: 'OPERATION_FAILED',
      message: expect.stringMatching(
        new RegExp(`fleet "${run}" stopped: instance "${run}-1" failed: .*the test wants it so`),
      ),
      hint: expect.stringContaining('roll back'),
    };
    await expect(
      fleets.rollOut({ fleet: made.id, template: failing }).then(String),
    ).rejects.toMatchObject(failure);
    const stopped = await fleets.get(made.id);
    expect(stopped.status).toBe('FAILED');
    expect(counts(stopped), 'none is missing, and none too many').toEqual([1, 1]);
    for (const id of stopped.instances)
      expect((await provider.instances.get(id)).status).toBe('RUNNING');
    const back = await fleets.rollBack(made.id);
    expect(back.versions).toMatchObject([{ image: world.image.ref, instances: 2 }]);

    const rebuild = { fleet: made.id, providerOptions: { strategy: 'rebuild' } };
    await expect(
      fleets.rollOut({ ...rebuild, template: failing }).then(String),
    ).rejects.toMatchObject({
      ...failure,
      cause: expect.objectContaining({ resource: back.instances[0] }),
    });
    // Only as many as may be are missing: it began with this one.
    expect(counts(await fleets.get(made.id))).toEqual([1, 1]);
    const rebuilt = await fleets.rollOut({ ...rebuild, template: two });
    expect(rebuilt).toMatchObject({ status: 'STABLE', instances: back.instances });
    expect(rebuilt.versions).toMatchObject([{ image: { id: idOf(two) }, instances: 2 }]);
  });

  it('is what another process makes of it when the first one is killed', async () => {
    const world = await machineWorld();
    const { provider, run, labels } = world;
    const { fleets } = provider;
    const [one, two] = await templates(world);
    const made = await fleets.create({ name: run, size: 2, template: one, labels });

    const rollout = { fleet: made.id, template: two };
    await killedAt(await proxied('compute'), /POST .*\/servers$/, 'fleets.rollOut', rollout);
    expect((await fleets.get(made.id)).status).toBe('FAILED');
    await provider.resume(`fleets.rollOut ${made.id}`);
    const rolled = await fleets.get(made.id);
    expect(rolled.status).toBe('STABLE');
    expect(rolled.versions).toMatchObject([{ image: { id: idOf(two) }, instances: 2 }]);
    // No machine was made that isn't the fleet's.
    const machines = (await owned(provider, labels)).filter((name) => name.startsWith('instance'));
    expect(machines).toHaveLength(2);
    await fleets.delete(made.id);
    expect(await owned(provider, labels)).toEqual([`image ${run}-base`, `image ${run}-next`]);
  });
});

function idOf({ boot }: MachineTemplate): string | undefined {
  return boot.kind === 'image' ? boot.image.id : undefined;
}
