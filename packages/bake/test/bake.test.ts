import { family, ImgkitError } from '@imgkit/core';
import { readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import {
  file,
  secret,
  shell,
  type BakeEvent,
  type BakeOptions,
  type Recipe,
} from '../src/index.ts';
import { setUp, web } from './bake-set-up.ts';

async function collect(events: AsyncIterable<BakeEvent>): Promise<readonly BakeEvent[]> {
  const all: BakeEvent[] = [];
  for await (const event of events) all.push(event);
  return all;
}

describe('bake', () => {
  it.each([true, false])(
    'makes, verifies and publishes an image, and leaves nothing else (fastRestart: %s)',
    async (fastRestart) => {
      const { run, standing, kit, guests, directory } = await setUp({
        traits: { instances: { fastRestart } },
      });
      const baking = run(web(), { version: '1.0' });
      const events = await collect(baking);
      const { images, reused } = await baking;
      expect(reused).toBe(false);
      expect(images).toMatchObject([
        {
          provider: 'lab',
          reused: false,
          image: { name: 'web-1-0', family: 'web', version: '1.0', published: true },
        },
      ]);
      expect(standing()).toEqual(['image web-1-0']);
      expect((await kit.families.head('lab', 'web')).name).toBe('web-1-0');
      expect(guests.log).toEqual(
        ['install', fastRestart ? 'poweroff' : 'reboot', 'configure', 'seal', 'check'].toSpliced(
          0,
          0,
          'program',
        ),
      );
      expect(
        events.filter((event) => event.type === 'phase-end').map((event) => event.phase),
      ).toEqual(['resolve', 'launch', 'boot', 'provision', 'seal', 'capture', 'verify', 'publish']);
      expect(
        events.filter((event) => event.type === 'output').map((event) => event.message),
      ).toEqual(['did install', 'did configure', 'did check']);
      expect(events.at(0)?.type).toBe('start');
      expect(events.at(-1)).toMatchObject({ type: 'end', state: 'SUCCEEDED' });
      expect(await readdir(join(directory, 'state/bake-keys'))).toEqual([]);
    },
  );

  it('deprecates the version before, with the new one as its replacement', async () => {
    const { run, kit } = await setUp();
    const first = await run(web(), { version: '1' });
    const second = await run(web({ description: 'changed' }), { version: '2' });
    const [one] = first.images;
    const [two] = second.images;
    expect(two?.predecessors).toHaveLength(1);
    expect((await kit.images.get(one?.image.ref ?? '')).deprecation).toMatchObject({
      state: 'DEPRECATED',
      replacement: two?.image.ref,
    });
  });

  it('uses an image again while nothing that goes into it has changed', async () => {
    const { run, cloud, kit } = await setUp();
    const { images } = await run(web(), { version: '1' });
    const launches = cloud.count('instances.launch');
    const again = run(web(), { version: '1' });
    expect((await collect(again)).map(({ type }) => type)).toEqual(['reused']);
    expect(await again).toMatchObject({
      reused: true,
      images: [{ reused: true, image: { ref: images[0]?.image.ref } }],
    });
    expect(cloud.count('instances.launch')).toBe(launches);
    // It is used again when a newer one has replaced it too, but not when it was withdrawn from use.
    await run(web({ provision: [shell({ inline: ['more'] })] }), { version: '2' });
    expect(await run(web(), { version: '1' })).toMatchObject({ reused: true });
    const changed = await kit.images.get(images[0]?.image.ref ?? '');
    await kit.deprecation.set(changed.ref, { state: 'OBSOLETE' });
    expect(await run(web(), { version: '1' })).toMatchObject({
      reused: false,
      images: [{ image: { name: 'web-1-r2' } }],
    });
  });

  it('bakes anew when it is told to, and when a file, a script or the base changed', async () => {
    const { run, standing, kit, directory } = await setUp();
    const script = join(directory, 'setup.sh');
    await writeFile(script, 'echo one');
    const one = () => web({ provision: [shell({ script })] });
    await run(one(), { version: '1' });
    expect(await run(one(), { version: '1', force: true })).toMatchObject({
      images: [{ image: { name: 'web-1-r2' } }],
    });
    await writeFile(script, 'echo two');
    expect(await run(one())).toMatchObject({ reused: false });
    const { images } = kit.providers.get('lab');
    await writeFile(join(directory, 'base2.raw'), '{"done":["base 2"]}');
    const before = standing().length;
    await images.create({
      name: 'base-2',
      source: { kind: 'file', file: join(directory, 'base2.raw') },
      family: 'base',
      idempotencyKey: 'b2',
    });
    expect(await run(one(), { version: '3' })).toMatchObject({ reused: false });
    expect(standing()).toHaveLength(before + 2);
  });

  it('bakes once when two programs bake the same at the same time', async () => {
    const { run, open, cloud, standing } = await setUp();
    const other = await open();
    const results = await Promise.all([
      run(web(), { version: '1' }),
      run(web(), { version: '1' }, other),
      run(web(), { version: '1' }),
    ]);
    expect(new Set(results.map(({ images }) => images[0]?.image.name))).toEqual(new Set(['web-1']));
    expect(standing()).toEqual(['image web-1']);
    expect(cloud.count('images.create')).toBe(2); // the base, and this one
  });

  it('runs a script once over a lost connection, and shows its output once', async () => {
    const { run, guests } = await setUp();
    guests.scripts.set('install', { cuts: 3, output: 'one line\n' });
    const baking = run(web(), { version: '1' });
    const events = await collect(baking);
    await baking;
    expect(guests.log.filter((line) => line === 'install')).toHaveLength(1);
    expect(events.filter(({ message }) => message === 'one line')).toHaveLength(1);
  });

  it('saves a booted builder, and resumes it for the next bake', async () => {
    const { run, cloud } = await setUp();
    await run(web(), { version: '1' });
    expect(cloud.count('warmStarts.save')).toBe(1);
    await run(web(), { version: '2' });
    expect(cloud.count('warmStarts.save')).toBe(1);
  });

  it('goes on when a builder could not be saved', async () => {
    const { run, cloud } = await setUp();
    cloud.faults.fail('warmStarts.save', { code: 'OPERATION_FAILED' });
    const baking = run(web(), { version: '1' });
    const events = await collect(baking);
    await baking;
    expect(events.filter(({ type }) => type === 'warning')).toHaveLength(1);
  });
});

describe('a bake that fails', () => {
  it('names the step, its last output and the console, hides secrets, and leaves nothing behind', async () => {
    const { run, standing, guests, kit, directory } = await setUp();
    guests.scripts.set('install', { exitCode: 7, output: 'first\n$ENVlast words\n' });
    const one = web({
      provision: [shell({ inline: ['install'], secrets: { PASSWORD: secret('hunter2-hunter2') } })],
    });
    const baking = run(one, { version: '1' });
    const events = await collect(baking);
    const error = await baking.then(
      () => undefined,
      (caught: unknown) => caught,
    );
    expect(error).toMatchObject({
      code: 'OPERATION_FAILED',
      provider: 'lab',
      data: {
        step: 'provision[0] shell install',
        exitCode: 7,
        output: ['first', 'PASSWORD=[secret]', 'last words'],
        console: expect.arrayContaining([expect.stringContaining('is up')]),
      },
    });
    expect(error instanceof Error && error.message).toContain('exit code 7');
    expect(standing()).toEqual([]);
    expect(await readdir(join(directory, 'state/bake-keys'))).toEqual([]);
    expect(JSON.stringify(events)).not.toContain('hunter2');
    const id = baking.ids['lab'] ?? '';
    expect(JSON.stringify(await kit.engine.show(id))).not.toContain('hunter2');
    for (const name of await readdir(join(directory, 'state')))
      expect(
        (await readFile(join(directory, 'state', name)).catch(() => Buffer.alloc(0))).includes(
          'hunter2',
        ),
      ).toBe(false);
  });

  it('does not publish what does not pass verification', async () => {
    const { run, standing, guests, kit } = await setUp();
    await run(web(), { version: '1' });
    guests.scripts.set('check', { exitCode: 1 });
    await expect(run(web(), { version: '2' })).rejects.toMatchObject({
      data: { step: 'verify[0] shell check' },
    });
    expect(standing()).toEqual(['image web-1']);
    expect(await kit.families.head('lab', 'web')).toMatchObject({
      name: 'web-1',
      deprecation: { state: 'ACTIVE' },
    });
  });

  it('is tried again from the beginning by baking again', async () => {
    const { run, standing, guests } = await setUp();
    guests.scripts.set('configure', { exitCode: 1 });
    const failed = run(web(), { version: '1' });
    await expect(failed).rejects.toThrow(/configure/u);
    guests.scripts.clear();
    const again = run(web(), { version: '1' });
    expect(await again).toMatchObject({ images: [{ image: { name: 'web-1' } }] });
    expect(again.ids).toEqual(failed.ids);
    expect(standing()).toEqual(['image web-1']);
  });

  it('runs the step for failures, whose own failure is a warning', async () => {
    const { run, guests } = await setUp();
    guests.scripts.set('install', { exitCode: 1 });
    guests.scripts.set('collect', { exitCode: 1 });
    const baking = run(web({ onFailure: shell({ inline: ['collect'] }) }));
    const events = await collect(baking);
    await expect(baking).rejects.toThrow(/install/u);
    expect(guests.log).toContain('collect');
    expect(events.filter(({ type }) => type === 'warning')).toMatchObject([
      { message: expect.stringContaining('collect') },
    ]);
  });

  it('keeps the machine when asked to, says how to reach it, and removes it with the next attempt', async () => {
    const { run, standing, guests, kit, directory } = await setUp();
    guests.scripts.set('install', { exitCode: 1 });
    const baking = run(web(), { version: '1', keepOnFailure: true });
    const error = await baking.then(
      () => undefined,
      (caught: unknown) => caught,
    );
    expect(error).toMatchObject({ hint: expect.stringMatching(/ssh -i .*login .*imgkit@127/u) });
    const key = /ssh -i (\S+)/u.exec(ImgkitError.is(error) ? (error.hint ?? '') : '')?.[1] ?? '';
    expect(await readFile(key, 'utf8')).toContain('PRIVATE KEY');
    expect(standing()).toHaveLength(2); // the instance and its disk
    guests.scripts.clear();
    // As long as the machine stands its key stays, and whatever is baked next takes it away when it does not.
    await run(web(), { version: '2' });
    expect(await readFile(key, 'utf8')).toContain('PRIVATE KEY');
    await kit.engine.cleanup(baking.ids['lab'] ?? '');
    expect(standing()).toEqual(['image web-2']);
    expect(await run(web(), { version: '2' })).toMatchObject({ reused: true });
    expect(await readdir(join(directory, 'state/bake-keys'))).toEqual([]);
    await run(web(), { version: '1' });
    expect(standing().toSorted()).toEqual(['image web-1', 'image web-2']);
    expect(await readdir(join(directory, 'state/bake-keys'))).toEqual([]);
  });

  it('retries a script as often as it may, and waits for one that restarts the machine', async () => {
    const { run, guests } = await setUp();
    guests.scripts.set('flaky', { exitCode: 9 });
    guests.scripts.set('restarts', { reboots: true });
    const one = web({
      provision: [
        shell({ inline: ['restarts'], expectDisconnect: true }),
        shell({ inline: ['flaky'], maxRetries: 2, validExitCodes: [0, 3] }),
      ],
    });
    const baking = run(one);
    const events = await collect(baking);
    await expect(baking).rejects.toThrow(/exit code 9, not with 0 or 3/u);
    expect(guests.log.filter((line) => line === 'flaky')).toHaveLength(3);
    expect(guests.log.filter((line) => line === 'restarts')).toHaveLength(1);
    expect(events.filter(({ type }) => type === 'retry')).toHaveLength(2);
  });

  it('ends a script that takes too long, as often as it is tried', async () => {
    const { run, guests } = await setUp();
    guests.scripts.set('endless', { wait: new Promise(() => {}), output: 'still here\n' });
    const endless = shell({ inline: ['endless'], timeout: '50ms', maxRetries: 1 });
    const baking = run(web({ provision: [endless] }));
    const events = await collect(baking);
    await expect(baking).rejects.toMatchObject({
      code: 'OPERATION_FAILED',
      message: expect.stringContaining('took longer than 50ms'),
      data: { reason: 'late', output: ['still here', 'still here'] },
    });
    expect(events.filter(({ type }) => type === 'retry')).toHaveLength(1);
  });

  it('tells which file could not be carried', async () => {
    const { run, guests, directory } = await setUp();
    const log = file({
      direction: 'download',
      source: '/var/log/x',
      destination: join(directory, 'x'),
    });
    const upload = file({ content: 'x', destination: '/etc/x' });
    await expect(run(web({ provision: [upload, log] }))).rejects.toMatchObject({
      code: 'NOT_FOUND',
      data: { step: 'provision[1] download /var/log/x' },
    });
    expect(guests.log).toContain('upload /etc/x');
  });

  it('is refused before anything is created', async () => {
    const { run, cloud, standing } = await setUp({}, ['lab', 'other']);
    const cases: readonly (readonly [Recipe, BakeOptions, string])[] = [
      [web({ from: { lab: family('nothing') } }), {}, 'NOT_FOUND'],
      [web(), { on: ['nobody'] }, 'PROVIDER_NOT_FOUND'],
      [web(), { on: ['other'] }, 'INVALID_ARGUMENT'],
      [web(), { version: 'a b' }, 'INVALID_ARGUMENT'],
      [web({ family: 'No Family' }), {}, 'INVALID_ARGUMENT'],
      [web({ from: { lab: 'lab:projects/lab/images/gone' } }), {}, 'NOT_FOUND'],
    ];
    for (const [one, options, code] of cases)
      await expect(run(one, options)).rejects.toMatchObject({ code });
    expect(cloud.count('instances.launch')).toBe(0);
    expect(standing()).toEqual([]);
  });

  it('is refused when its name is taken by something else', async () => {
    const { run, kit, cloud, directory } = await setUp();
    await kit.providers.get('lab').images.create({
      name: 'web-1',
      source: { kind: 'file', file: join(directory, 'base.raw') },
      idempotencyKey: 'x',
    });
    await expect(run(web(), { version: '1' })).rejects.toMatchObject({ code: 'ALREADY_EXISTS' });
    expect(cloud.count('instances.launch')).toBe(0);
  });

  it('loses nothing of the other providers, unless it is told to fail fast', async () => {
    const { run, guests, standing } = await setUp({}, ['lab', 'other']);
    const both = { from: { lab: family('base'), other: family('base') } };
    const bad = { ...both, from: { lab: family('base'), other: family('nothing') } };
    const baking = run(web(bad), { version: '1' });
    await expect(baking).rejects.toMatchObject({
      code: 'OPERATION_FAILED',
      data: { images: [{ provider: 'lab' }], failures: [{ provider: 'other' }] },
    });
    expect(await baking.results()).toMatchObject([
      { state: 'SUCCEEDED' },
      { state: 'FAILED', error: { code: 'NOT_FOUND' } },
    ]);
    expect(await run(web(both), { version: '1' })).toMatchObject({
      images: [
        { provider: 'lab', reused: true },
        { provider: 'other', reused: false },
      ],
    });
    const hold = Promise.withResolvers<void>();
    onTestFinished(() => hold.resolve());
    guests.scripts.set('install', { wait: hold.promise });
    const fast = run(web(bad), { version: '2', failFast: true });
    await expect(fast).rejects.toMatchObject({
      data: {
        failures: [
          { provider: 'lab', error: { code: 'CANCELLED' } },
          { provider: 'other', error: { code: 'NOT_FOUND' } },
        ],
      },
    });
    expect(standing()).toEqual(['image web-1', 'image web-1']);
  });
});

describe('a bake that is cancelled', () => {
  it('removes all that it made before it says so', async () => {
    const { run, guests, standing, directory } = await setUp();
    const hold = Promise.withResolvers<void>();
    onTestFinished(() => hold.resolve());
    guests.scripts.set('configure', { wait: hold.promise });
    const stop = new AbortController();
    const baking = run(web(), { version: '1', signal: stop.signal });
    const removed: string[] = [];
    for await (const event of baking) {
      if (event.type === 'step-start' && event.message.includes('configure')) stop.abort();
      if (event.type === 'resource' && event.change === 'removed') removed.push(event.kind);
    }
    expect(removed).toEqual(['instance']);
    await expect(baking).rejects.toMatchObject({ code: 'CANCELLED' });
    expect(standing()).toEqual([]);
    expect(await readdir(join(directory, 'state/bake-keys'))).toEqual([]);
    guests.scripts.clear();
    await run(web(), { version: '1' });
    expect(standing()).toEqual(['image web-1']);
  });

  it('starts nothing when it was cancelled before', async () => {
    const { run, cloud } = await setUp();
    await expect(run(web(), { signal: AbortSignal.abort() })).rejects.toMatchObject({
      code: 'CANCELLED',
    });
    expect(cloud.count('instances.launch')).toBe(0);
  });
});
