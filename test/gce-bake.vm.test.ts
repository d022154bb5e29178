import { afterAll, afterEach, describe, expect, inject, it } from 'vitest';
import type { Line, Step } from './bake-program.fixture.ts';
import { openGceWorld } from './support/gce-bake-world.ts';
import { killAfterEachChange } from './support/kill-points.ts';

// The recipe, the program and the machines of the other tests of baking; only the provider is another one: Google's own client, over HTTP.

const base = inject('tinyBase');
const world =
  base.missing ??
  (await openGceWorld(inject('vmDirectory'), {
    file: base.image?.path ?? '',
    name: 'base-1',
    family: 'base',
  }));
const missing = typeof world === 'string' ? world : undefined;

/** Google's guests make any user that has a key; the tiny base knows only this one. */
const user = 'root';
const echo = (text: string): Step => ({ shell: { inline: [`echo ${text}`] } });
const printed = (lines: readonly Line[]) =>
  lines.flatMap((line) => (line.tells === 'event' && line.type === 'output' ? [line.message] : []));

describe.skipIf(missing !== undefined)(`a bake at Compute Engine ${missing ?? ''}`, () => {
  if (typeof world === 'string') return;
  const { emulator } = world;
  afterEach(async () => {
    emulator.faults.clear();
    await world.stopAll();
  });
  afterAll(() => world[Symbol.asyncDispose]());

  it('makes a verified image of a real machine, as anywhere else', async () => {
    const { error, result, lines } = await world.bake({
      version: '1',
      user,
      provision: [
        { file: { content: 'settings\n', destination: '/etc/app.conf' } },
        echo('one'),
        { reboot: true },
        { shell: { inline: ['cat /etc/app.conf'] } },
      ],
      verify: [{ shell: { inline: ['cat /etc/app.conf', 'ls /var/lib/imgkit 2>&1 || true'] } }],
    });
    expect(error).toBeUndefined();
    expect(result).toMatchObject({
      name: 'app-1',
      id: 'projects/imgkit-test/global/images/app-1',
      reused: false,
    });
    expect(printed(lines).filter((line) => line === 'settings')).toHaveLength(2);
    expect(await world.leftovers()).toEqual([]);
    // No moment in which what wasn't verified was the head.
    const [insert] = world.done('Images.Insert');
    expect(insert?.body).not.toHaveProperty('family');
    const [published] = world.done('Images.Patch');
    const verifier = world.done('Instances.Insert').at(-1);
    expect(published?.body).toMatchObject({ family: 'app' });
    expect(published?.at).toBeGreaterThan(verifier?.at ?? Number.POSITIVE_INFINITY);
    // Machines go by themselves, should nobody be left to remove them.
    for (const { body } of world.done('Instances.Insert'))
      expect(body).toHaveProperty('scheduling.instanceTerminationAction', 'DELETE');
    expect(emulator.violations).toEqual([]);
  });

  it('makes each thing once when it is killed between a request and its answer', async () => {
    const job = { version: '2', user, provision: [echo('two')], verify: [echo('checked')] };
    const before = emulator.requests.length;
    const changes = (): readonly string[] => [
      ...new Set(
        emulator.requests
          .slice(before)
          .filter(({ rpc, method }) => method !== 'GET' && !rpc?.endsWith('Operations.Wait'))
          .map(({ rpc }) => rpc ?? ''),
      ),
    ];
    const { end, kills, survived } = await killAfterEachChange(emulator, kindsOfChange, () =>
      world.start(job),
    );
    expect(end.error).toBeUndefined();
    expect(kills).toBeGreaterThanOrEqual(6);
    expect([...survived].toSorted()).toEqual(changes().toSorted());

    const images = await world.images();
    expect(images.map(({ name, published }) => `${name} ${published}`)).toEqual([
      'app-1 true',
      'app-2 true',
    ]);
    expect(images[0]?.deprecation).toMatchObject({
      state: 'DEPRECATED',
      replacement: { id: images[1]?.ref.id },
    });
    expect(await world.leftovers()).toEqual([]);
    expect(emulator.violations).toEqual([]);
  });
});

/** All that a bake changes at Compute Engine. */
const kindsOfChange = [
  'Instances.Insert',
  'Instances.Stop',
  'Instances.Start',
  'Instances.Delete',
  'Disks.Delete',
  'Images.Insert',
  'Images.Patch',
  'Images.SetLabels',
  'Images.Deprecate',
  'Images.Delete',
];
