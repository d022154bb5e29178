import { afterAll, afterEach, describe, expect, inject, it } from 'vitest';
import type { Line, Step } from './bake-program.fixture.ts';
import { galleryId, openAzureWorld } from './support/azure-bake-world.ts';
import { killAfterEachChange } from './support/kill-points.ts';

// The recipe, the program and the machines of the other tests of baking; only the provider is another one: Azure's own client, over HTTP.

const base = inject('tinyBase');
const world =
  base.missing ??
  (await openAzureWorld(inject('vmDirectory'), {
    file: base.image?.path ?? '',
    name: 'base-1',
    family: 'base',
  }));
const missing = typeof world === 'string' ? world : undefined;

const echo = (text: string): Step => ({ shell: { inline: [`echo ${text}`] } });
const printed = (lines: readonly Line[]) =>
  lines.flatMap((line) => (line.tells === 'event' && line.type === 'output' ? [line.message] : []));

describe.skipIf(missing !== undefined)(`a bake at Azure ${missing ?? ''}`, () => {
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
      provision: [
        { file: { content: 'settings\n', destination: '/etc/app.conf' } },
        { file: { content: agent, destination: '/usr/sbin/waagent', mode: 0o755 } },
        { reboot: true },
        { shell: { inline: ['cat /etc/app.conf; id -u'] } },
      ],
      verify: [{ shell: { inline: ['cat /etc/app.conf', 'cat /var/lib/deprovisioned'] } }],
    });
    expect(error).toBeUndefined();
    expect(result).toMatchObject({
      name: 'app-1',
      id: `${galleryId}/images/app/versions/1.0.0`,
      reused: false,
    });
    expect(printed(lines).filter((line) => line === 'settings')).toHaveLength(2);
    // What Azure wants of images is done by its own agent, where the guest has it.
    expect(printed(lines)).toContain('-deprovision+user -force');
    expect(await world.leftovers()).toEqual([]);
    // No moment in which what wasn't verified was the latest.
    const [captured] = world.done('GalleryImageVersions.CreateOrUpdate');
    expect(captured?.body).toHaveProperty('properties.publishingProfile.excludeFromLatest', true);
    const published = world.done('GalleryImageVersions.Update')[0];
    const verifier = world.done('VirtualMachines.CreateOrUpdate').at(-1);
    expect(published?.at).toBeGreaterThan(verifier?.at ?? Number.POSITIVE_INFINITY);
    // Nothing was done to the builder that can't be undone.
    expect(world.done('VirtualMachines.Generalize')).toEqual([]);
    expect(emulator.violations).toEqual([]);
  });

  it('makes each thing once when it is killed between a request and its answer', async () => {
    const job = { version: '2', provision: [echo('two')], verify: [echo('checked')] };
    const before = emulator.requests.length;
    const changes = (): readonly string[] => [
      ...new Set(
        emulator.requests
          .slice(before)
          .filter(({ rpc, method }) => method !== 'GET' && !readsByPost.has(rpc ?? ''))
          .map(({ rpc }) => rpc ?? ''),
      ),
    ];
    const { end, kills, survived } = await killAfterEachChange(emulator, kindsOfChange, () =>
      world.start(job),
    );
    expect(end.error).toBeUndefined();
    expect(kills).toBeGreaterThanOrEqual(5);
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
    // Of machines nothing is left: no disk, no interface, no address.
    const left = emulator.ids().filter((id) => /-(?:builder|verifier)-/.test(id));
    expect(left).toEqual([]);
    expect(emulator.violations).toEqual([]);
  });
});

/** Stands in for Azure's Linux agent, which the tiny image has not: it writes down what it was asked for. */
const agent = '#!/bin/sh\necho "$@" > /var/lib/deprovisioned\n';

/** What is asked by POST, and changes nothing. */
const readsByPost: ReadonlySet<string> = new Set(['VirtualMachines.RetrieveBootDiagnosticsData']);

/** All that a bake changes at Azure. */
const kindsOfChange = [
  'GalleryImages.CreateOrUpdate',
  'GalleryImageVersions.CreateOrUpdate',
  'GalleryImageVersions.Update',
  'GalleryImageVersions.Delete',
  'VirtualMachines.CreateOrUpdate',
  'VirtualMachines.Start',
  'VirtualMachines.PowerOff',
  'VirtualMachines.Deallocate',
  'VirtualMachines.Delete',
  'VirtualMachines.RunCommand',
  'Disks.Delete',
];
