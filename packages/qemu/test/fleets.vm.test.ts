import { ImgkitError, type Fleet, type MachineTemplate } from '@imgkit/core';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, afterEach, beforeAll, describe, expect, inject, it } from 'vitest';

import { collect, guestLab, machineType, type GuestLab } from './guests.ts';

const base = inject('tinyBase');
const program = fileURLToPath(new URL('roll-out-program.ts', import.meta.url));
const flags = ['--conditions=@imgkit/source', '--experimental-strip-types', '--no-warnings'];

describe.skipIf(base.image === undefined)('a fleet', () => {
  let lab: GuestLab;

  beforeAll(async () => {
    lab = await guestLab(inject('vmDirectory'), base.image?.path ?? '');
  });

  afterEach(async () => {
    for (const { id } of await collect(fleets().list())) await fleets().delete(id);
  });

  afterAll(async () => {
    await lab[Symbol.asyncDispose]();
  });

  function fleets() {
    const found = lab.provider.fleets;
    if (found === undefined) throw new Error('there are no fleets');
    return found;
  }

  const template = (role: string): MachineTemplate => ({
    boot: { kind: 'image', image: lab.image.ref },
    machineType,
    metadata: { role },
  });

  const roles = async ({ instances }: Fleet): Promise<string[]> => {
    const shown = await Promise.all(instances.map((id) => lab.instances.get(id)));
    return shown.map(({ metadata }) => metadata['role'] ?? '').toSorted();
  };

  it('goes to a canary first, then all the way, and back', async () => {
    const { id } = await fleets().create({ name: 'web', size: 3, template: template('old') });
    const canary = await fleets().rollOut({ fleet: id, template: template('new'), canary: 1 });
    expect(await roles(canary)).toEqual(['new', 'old', 'old']);
    expect(canary.status).toBe('STABLE');
    const whole = await fleets().rollOut({ fleet: id, template: template('new') });
    expect(await roles(whole)).toEqual(['new', 'new', 'new']);
    expect(whole.instances).toEqual(expect.arrayContaining(canary.instances.slice(-1)));
    expect(await roles(await fleets().rollBack(id))).toEqual(['old', 'old', 'old']);
    expect(await roles(await fleets().rollBack(id))).toEqual(['new', 'new', 'new']);
  });

  it('pauses a rollout after the machine it is at, and refuses another one meanwhile', async () => {
    const { id } = await fleets().create({ name: 'paused', size: 2, template: template('old') });
    const rollout = fleets().rollOut({ fleet: id, template: template('new') });
    await rollout.token();
    expect(await fleets().pause?.(id)).toMatchObject({ status: 'PAUSED' });
    const other = fleets().rollOut({ fleet: id, template: template('other') });
    await expect(other).rejects.toMatchObject({ code: 'FAILED_PRECONDITION' });
    const stands = await fleets().get(id);
    expect(stands.instances.length).toBeLessThanOrEqual(3);
    expect(await fleets().unpause?.(id)).toMatchObject({ status: 'STABLE' });
    expect(await roles(await rollout)).toEqual(['new', 'new']);
  });

  it('replaces machines that are gone when it is resized', async () => {
    const { id, instances } = await fleets().create({
      name: 'thin',
      size: 2,
      template: template('a'),
    });
    await lab.instances.delete(instances[0] ?? '');
    await lab.instances.stop(instances[1] ?? '', { graceMs: 0 });
    const healed = await fleets().resize(id, 1);
    expect(healed.instances).toHaveLength(1);
    expect(instances).not.toContain(healed.instances[0]);
    expect(await roles(healed)).toEqual(['a']);
  });

  it('whose rollout was killed is FAILED, and another process goes on with it', async () => {
    const { id } = await fleets().create({ name: 'cut', size: 3, template: template('old') });
    const child = spawn(process.execPath, [...flags, program], {
      stdio: ['pipe', 'pipe', 'inherit'],
    });
    const request = { fleet: id, template: template('new') };
    child.stdin.end(
      JSON.stringify({ directory: lab.store, state: join(lab.home, 'child'), request }),
    );
    await once(child.stdout, 'data');
    child.kill('SIGKILL');
    await once(child, 'exit');
    expect(await fleets().get(id)).toMatchObject({ status: 'FAILED' });
    const resumed = await lab.provider.resume(`fleets.rollOut ${id}`);
    expect(resumed).toMatchObject({ id, status: 'STABLE' });
    const after = await fleets().get(id);
    expect(await roles(after)).toEqual(['new', 'new', 'new']);
    const all = await collect(lab.instances.list());
    expect(all.map((one) => one.id).toSorted()).toEqual([...after.instances].toSorted());
  });

  it('is told who uses an image, also by a template it could go back to', async () => {
    const copy = await lab.provider.images.create({
      name: 'copy',
      source: { kind: 'image', image: lab.image.ref },
    });
    const { id } = await fleets().create({ name: 'user', size: 0, template: template('old') });
    const next = { ...template('new'), boot: { kind: 'image', image: copy.ref } } as const;
    await fleets().rollOut({ fleet: id, template: next });
    const users = async (image: string) =>
      (await lab.provider.usage?.of(image))?.users
        .filter((user) => user.id === id)
        .map(({ kind }) => kind);
    expect(await users(copy.ref.id)).toEqual(['fleet']);
    expect(await users(lab.image.ref.id)).toEqual(['template']);
    const bad = fleets().rollOut({
      fleet: id,
      template: { ...next, boot: { kind: 'disk', disk: 'x' } },
    });
    await expect(bad).rejects.toSatisfy((error) => ImgkitError.is(error, 'INVALID_ARGUMENT'));
  });
});
