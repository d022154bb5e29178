import { describe, expect, it } from 'vitest';

import {
  createGceWorld,
  operationMs,
  project,
  region,
  zone,
  type GceWorld,
} from '../../../test/gce-world.ts';

/** A group as the API shows it, and its machines. */
interface Seen {
  readonly stable: boolean;
  readonly reached: boolean;
  readonly machines: readonly {
    readonly name: string;
    readonly zone: string;
    readonly template: string;
    readonly action: string;
    readonly status: string;
    readonly errors: string;
  }[];
}

async function addTemplate(world: GceWorld, name: string, image: string): Promise<void> {
  const instanceTemplateResource = {
    name,
    properties: {
      machineType: 'e2-small',
      labels: { of: name },
      disks: [
        {
          boot: true,
          autoDelete: true,
          initializeParams: { sourceImage: `global/images/${image}` },
        },
      ],
      networkInterfaces: [{}],
    },
  };
  await world.run('instance_templates', 'insert', { instanceTemplateResource });
}

const template = (name: string) => `global/instanceTemplates/${name}`;
function templates({ machines }: Seen): string[] {
  return machines.map((machine) => machine.template).toSorted();
}

function rolling(surge: number, unavailable: number): object {
  return {
    type: 'PROACTIVE',
    maxSurge: { fixed: surge },
    maxUnavailable: { fixed: unavailable },
  };
}

const last = (url: unknown) => String(url).split('/').at(-1) ?? '';

describe.each([
  ['zonal', 'instance_group_managers'],
  ['regional', 'region_instance_group_managers'],
])("%s instance groups, through Google's own client", (kind, service) => {
  const world = createGceWorld(async (made) => {
    for (const version of ['1', '2', '3']) {
      made.emulator.project(project).addImage({ name: `web-${version}` });
      await addTemplate(made, `t${version}`, `web-${version}`);
    }
  });
  const insert = (name: string, more: object = {}) =>
    world.run(service, 'insert', {
      instanceGroupManagerResource: {
        name,
        targetSize: 3,
        versions: [{ instanceTemplate: template('t1') }],
        ...more,
      },
    });
  const patch = (name: string, body: object) =>
    world.run(service, 'patch', {
      instanceGroupManager: name,
      instanceGroupManagerResource: body,
    });
  const get = (name: string) => world.read(service, 'get', { instanceGroupManager: name });
  const see = async (name: string): Promise<Seen> => {
    const { status } = await get(name);
    const listed = await world.read(service, 'listManagedInstances', {
      instanceGroupManager: name,
    });
    const machines = [listed['managedInstances'] ?? []].flat().map((machine) => {
      const { instance, version, currentAction, instanceStatus, lastAttempt } = Object(machine);
      return {
        name: last(instance),
        zone: String(instance).split('/').at(-3) ?? '',
        template: last(version.instanceTemplate),
        action: String(currentAction),
        status: String(instanceStatus ?? ''),
        errors: JSON.stringify(lastAttempt ?? ''),
      };
    });
    return {
      stable: Object(status).isStable,
      reached: Object(status).versionTarget.isReached,
      machines,
    };
  };
  /** Lets time pass until the group rests; tells the fewest machines that served and the most that stood. */
  const settle = async (name: string): Promise<{ least: number; most: number; seen: Seen }> => {
    let [least, most] = [Infinity, 0];
    for (let round = 0; round < 60; round++) {
      const seen = await see(name);
      const serving = seen.machines.filter(({ action }) => action === 'NONE');
      least = Math.min(least, serving.length);
      most = Math.max(most, seen.machines.length);
      if (seen.stable) return { least, most, seen };
      await world.clock.advance(operationMs / 2);
    }
    throw new Error(`${name} never rests`);
  };
  // A regional group's bounds are 0 or at least its zones.
  const step = kind === 'regional' ? 3 : 1;

  it('make their machines, are resized, and take all with them', async () => {
    await insert('makes');
    expect(await get('makes')).toMatchObject({
      targetSize: 3,
      baseInstanceName: 'makes',
      instanceTemplate: expect.stringMatching(/t1$/),
      versions: [{ targetSize: { calculated: 3 } }],
      updatePolicy: { type: 'OPPORTUNISTIC', replacementMethod: 'SUBSTITUTE' },
      currentActions: { creating: 3, none: 0 },
      status: { isStable: false, versionTarget: { isReached: false } },
    });
    const { seen } = await settle('makes');
    expect(seen).toMatchObject({ stable: true, reached: true });
    expect(templates(seen)).toEqual(['t1', 't1', 't1']);
    const zones = new Set(seen.machines.map((machine) => machine.zone));
    expect(zones.size).toBe(kind === 'regional' ? 3 : 1);

    await world.run(service, 'resize', { instanceGroupManager: 'makes', size: 1 });
    const { seen: small } = await settle('makes');
    expect(small.machines).toHaveLength(1);
    expect(seen.machines).toContainEqual(small.machines[0]);

    const machine = small.machines[0];
    await world.run(service, 'delete', { instanceGroupManager: 'makes' });
    await expect(get('makes')).rejects.toMatchObject({ httpStatusCode: 404 });
    const gone = { instance: machine?.name, zone: machine?.zone };
    await expect(world.read('instances', 'get', gone)).rejects.toThrow(/not found/);
  });

  it('roll out within their bounds, first to a canary, and back', async () => {
    await insert('rolls', { updatePolicy: rolling(step, 0) });
    const { seen: before } = await settle('rolls');
    const canary = { name: 'canary', instanceTemplate: template('t2'), targetSize: { fixed: 1 } };
    const rest = { name: 'rest', instanceTemplate: template('t1') };
    await patch('rolls', { versions: [rest, canary] });
    const first = await settle('rolls');
    expect(templates(first.seen)).toEqual(['t1', 't1', 't2']);
    expect(first.seen.reached).toBe(true);

    await patch('rolls', { versions: [{ name: 'all', instanceTemplate: template('t2') }] });
    const { least, most, seen } = await settle('rolls');
    expect(templates(seen)).toEqual(['t2', 't2', 't2']);
    expect(least).toBeGreaterThanOrEqual(3);
    expect(most).toBeLessThanOrEqual(3 + step);
    const names = new Set(before.machines.map(({ name }) => name));
    expect(seen.machines.some(({ name }) => names.has(name))).toBe(false);

    await patch('rolls', { versions: [rest], updatePolicy: rolling(0, step) });
    const back = await settle('rolls');
    expect(templates(back.seen)).toEqual(['t1', 't1', 't1']);
    expect(back.least).toBeGreaterThanOrEqual(3 - step);
    expect(back.most).toBeLessThanOrEqual(3);
  });

  it('leave their machines alone while they are opportunistic, until they are told', async () => {
    await insert('waits');
    await settle('waits');
    await patch('waits', { versions: [{ instanceTemplate: template('t2') }] });
    const { seen } = await settle('waits');
    expect(seen).toMatchObject({ stable: true, reached: false });
    expect(templates(seen)).toEqual(['t1', 't1', 't1']);
    const [chosen] = seen.machines;
    const url = `zones/${chosen?.zone}/instances/${chosen?.name}`;
    const prefix = kind === 'regional' ? 'regionI' : 'i';
    await world.run(service, 'applyUpdatesToInstances', {
      instanceGroupManager: 'waits',
      [`${prefix}nstanceGroupManagersApplyUpdatesRequestResource`]: { instances: [url] },
    });
    const { seen: after } = await settle('waits');
    expect(templates(after)).toEqual(['t1', 't1', 't2']);
    const changed = after.machines.find((machine) => machine.template === 't2');
    expect(changed?.name, 'it keeps its name').toBe(chosen?.name);
    await patch('waits', { updatePolicy: rolling(0, step) });
    expect((await settle('waits')).seen.reached).toBe(true);
  });

  it('never reach a version whose machines don’t come up, say why, and go back', async () => {
    const image = `bad-${kind}`;
    world.emulator.project(project).addImage({ name: image });
    await addTemplate(world, `bad-${kind}`, image);
    await world.run('images', 'delete', { image });
    await insert('fails', { updatePolicy: rolling(step, 0) });
    await settle('fails');
    await patch('fails', { versions: [{ instanceTemplate: template(`bad-${kind}`) }] });
    for (const _ of [1, 2, 3]) {
      await world.clock.advance(15_000);
      const seen = await see('fails');
      expect(seen).toMatchObject({ stable: false, reached: false });
      const [good, bad] = ['t1', `bad-${kind}`].map((name) =>
        seen.machines.filter((machine) => machine.template === name),
      );
      expect(good?.map(({ action }) => action)).toEqual(['NONE', 'NONE', 'NONE']);
      expect(bad).toHaveLength(step);
      expect(bad?.[0]).toMatchObject({ action: 'CREATING', status: '' });
      expect(bad?.[0]?.errors).toContain('RESOURCE_NOT_FOUND');
    }
    await patch('fails', { versions: [{ instanceTemplate: template('t1') }] });
    const { seen } = await settle('fails');
    expect(templates(seen)).toEqual(['t1', 't1', 't1']);
    expect(seen.reached).toBe(true);
  });

  it('go on when what hindered them is over', async () => {
    const seeded = world.emulator.project(project);
    seeded.setQuota('INSTANCES', 0, region);
    await insert('quota', { targetSize: 1 });
    await world.clock.advance(5000);
    expect((await see('quota')).machines[0]?.errors).toContain('QUOTA_EXCEEDED');
    seeded.setQuota('INSTANCES', 1000, region);
    await world.clock.advance(20_000);
    expect((await settle('quota')).seen.machines[0]).toMatchObject({ errors: '""' });
  });

  it('make a machine anew that somebody else deleted, and let go of one that they are told to', async () => {
    await insert('heals');
    const { seen } = await settle('heals');
    const [first, second] = seen.machines;
    await world.run('instances', 'delete', { instance: first?.name, zone: first?.zone });
    expect((await see('heals')).machines).toContainEqual({
      ...first,
      action: 'RECREATING',
      status: 'PROVISIONING',
    });
    expect((await settle('heals')).seen.machines).toContainEqual(first);

    const prefix = kind === 'regional' ? 'regionI' : 'i';
    await world.run(service, 'deleteInstances', {
      instanceGroupManager: 'heals',
      [`${prefix}nstanceGroupManagersDeleteInstancesRequestResource`]: {
        instances: [`zones/${second?.zone}/instances/${second?.name}`],
      },
    });
    const after = await settle('heals');
    expect(after.seen.machines.map(({ name }) => name)).not.toContain(second?.name);
    expect((await get('heals'))['targetSize']).toBe(2);
  });

  it.each([
    ['bounds that allow nothing', { updatePolicy: rolling(0, 0) }, /greater than 0/],
    [
      'no version for the rest',
      { versions: [{ instanceTemplate: template('t1'), targetSize: { fixed: 1 } }] },
      /Exactly one version/,
    ],
    [
      'a template that isn’t there',
      { versions: [{ instanceTemplate: template('t9') }] },
      /not found/,
    ],
    ['fewer machines than none', { targetSize: -1 }, /negative/],
    ['a bad name', { name: 'Bad' }, /Must be a match/],
  ])('are refused with %s', async (_, more, message) => {
    await expect(insert('refused', more)).rejects.toThrow(message);
    await expect(get('refused')).rejects.toThrow(/not found/);
  });

  it('are changed only by who knows them, and keep their templates from being deleted', async () => {
    await insert('known', { targetSize: 0, versions: [{ instanceTemplate: template('t3') }] });
    const { fingerprint } = await get('known');
    await patch('known', { fingerprint, description: 'new' });
    await expect(patch('known', { fingerprint, targetSize: 1 })).rejects.toMatchObject({
      httpStatusCode: 412,
    });
    const remove = () => world.run('instance_templates', 'delete', { instanceTemplate: 't3' });
    await expect(remove()).rejects.toThrow(/already being used by .*instanceGroupManagers\/known/);
    await world.run(service, 'delete', { instanceGroupManager: 'known' });
    await remove();
    await expect(
      world.read('instance_templates', 'get', { instanceTemplate: 't3' }),
    ).rejects.toThrow(/not found/);
  });
});

describe('an instance template', () => {
  const world = createGceWorld();
  const insert = (properties: object) =>
    world.run('instance_templates', 'insert', {
      instanceTemplateResource: { name: 'bad', properties },
    });

  it('makes instances, with what the request says instead', async () => {
    await addTemplate(world, 'makes', 'base-1');
    const shown = await world.read('instance_templates', 'get', { instanceTemplate: 'makes' });
    expect(JSON.stringify(shown)).toContain(
      '"sourceImage":"https://www.googleapis.com/compute/v1/projects/imgkit-test/global/images/base-1"',
    );
    await world.run('instances', 'insert', {
      sourceInstanceTemplate: template('makes'),
      instanceResource: { name: 'made', machineType: `zones/${zone}/machineTypes/e2-medium` },
    });
    expect(await world.read('instances', 'get', { instance: 'made' })).toMatchObject({
      machineType: expect.stringMatching(/e2-medium$/),
      labels: { of: 'makes' },
      status: 'RUNNING',
    });
  });

  it('is refused when no machine could be made of it', async () => {
    const disks = [{ boot: true, initializeParams: { sourceImage: 'global/images/base-1' } }];
    const none = [{ boot: true, initializeParams: { sourceImage: 'global/images/none' } }];
    await expect(insert({ disks })).rejects.toThrow(/machineType/);
    await expect(
      insert({ machineType: `zones/${zone}/machineTypes/e2-small`, disks }),
    ).rejects.toThrow(/name of a machine type/);
    await expect(insert({ machineType: 'e2-small', disks: [] })).rejects.toThrow(/boot disk/);
    await expect(insert({ machineType: 'e2-small', disks: none })).rejects.toThrow(/not found/);
  });
});
