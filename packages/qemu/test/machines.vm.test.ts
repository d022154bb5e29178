import { readdir, readFile, readlink, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, inject, it } from 'vitest';

import { findProcess } from '../src/machine/process-proof.ts';
import { createHostKey } from '../src/machine/host-key.ts';
import { readConfiguration } from '../src/machine/configuration.ts';
import { guestLab, type GuestLab } from './guests.ts';

const base = inject('tinyBase');
if (base.image === undefined) console.log(`skipped: ${base.missing}`);

const bootId = 'cat /proc/sys/kernel/random/boot_id';

describe.skipIf(base.image === undefined)('a machine', () => {
  let lab: GuestLab;

  beforeAll(async () => {
    lab = await guestLab(inject('vmDirectory'), base.image?.path ?? '');
  });

  afterEach(() => lab.clear());

  afterAll(async () => {
    await lab[Symbol.asyncDispose]();
  });

  it('boots with the identity it was given, and keeps its data and its endpoint over a restart', async () => {
    const { instances, run, waitForGuest } = lab;
    const hostKey = createHostKey();
    const metadata = { role: 'web' };
    const startupScript = '#!/bin/sh\necho "started once" >> /root/started\n';
    const machine = await lab.launch('web-1', { hostKey, metadata, startupScript });
    await waitForGuest(machine);
    const endpoint = await instances.endpoint(machine.id);
    expect(endpoint).toMatchObject({ host: '127.0.0.1', hostKeys: [hostKey.publicKey] });
    expect(await run(machine, 'hostname')).toBe('web-1');
    const first = await run(machine, `echo kept > /root/data; ${bootId}`);

    expect(await instances.stop(machine.id)).toMatchObject({ status: 'STOPPED' });
    expect(await instances.start(machine.id)).toMatchObject({ status: 'RUNNING' });
    await waitForGuest(machine);
    expect(await instances.endpoint(machine.id)).toEqual(endpoint);
    const second = await run(machine, `${bootId}; cat /root/data /root/started`);
    expect(second).toMatch(/^[\da-f-]{36}\nkept\nstarted once$/);
    expect(second).not.toContain(first);
    expect(await instances.console(machine.id)).toContain('imgkit-ready');
    await instances.delete(machine.id);
  });

  it('is asked to stop, so that what it wrote is on its disk', async () => {
    const { instances, run, waitForGuest, provider } = lab;
    const machine = await lab.launch('asked');
    await waitForGuest(machine);
    await run(machine, 'echo written > /root/unflushed');
    const began = performance.now();
    await instances.stop(machine.id, { graceMs: 60_000 });
    expect(performance.now() - began).toBeLessThan(50_000);
    const source = { kind: 'instance', instance: machine.id } as const;
    const image = await provider.images.create({ name: 'baked', source });
    const copy = await lab.launch('copy', { boot: { kind: 'image', image: image.ref } });
    await waitForGuest(copy);
    expect(await run(copy, 'cat /root/unflushed; hostname')).toBe('written\ncopy');
    await instances.delete(machine.id);
    await instances.delete(copy.id);
  });

  it('lets nobody but its user look, and listens on loopback only', async () => {
    const machine = await lab.launch('private', { ports: [8080] });
    const [seq = ''] = await readdir(join(lab.store, 'instances'));
    const directory = join(lab.store, 'instances', seq);
    expect((await stat(directory)).mode & 0o777).toBe(0o700);
    expect((await stat(join(directory, 'seed.img'))).mode & 0o077).toBe(0);
    const uuid = (await readConfiguration(directory))?.uuid ?? '';
    const pid = await findProcess(directory, uuid);
    expect(await listeners(pid ?? 0)).toEqual(['127.0.0.1', '127.0.0.1']);
    await lab.instances.delete(machine.id);
    expect(await readdir(join(lab.store, 'instances'))).toEqual([]);
    expect(await findProcess(directory, uuid, { thorough: true })).toBeUndefined();
  });

  it('keeps the disks that shall outlive it, and gives them back free', async () => {
    const { provider, instances } = lab;
    const size = 2 ** 20;
    const machine = await lab.launch('donor', {
      disks: [{ sizeBytes: size, deleteWithInstance: false }, { sizeBytes: size }],
    });
    const [, kept, gone] = machine.disks;
    await instances.delete(machine.id);
    expect(await provider.disks?.get(kept?.id ?? '')).toMatchObject({
      status: 'READY',
      instances: [],
    });
    await expect(provider.disks?.get(gone?.id ?? '')).rejects.toMatchObject({ code: 'NOT_FOUND' });
    const heir = await lab.launch('heir', { disks: [{ disk: kept?.id ?? '' }] });
    expect(heir.disks[1]).toMatchObject({ id: kept?.id, deleteWithInstance: false });
    const thief = lab.launch('thief', { disks: [{ disk: kept?.id ?? '' }] });
    await expect(thief).rejects.toMatchObject({ code: 'IN_USE' });
    await instances.delete(heir.id);
    await provider.disks?.delete(kept?.id ?? '');
  });

  it('is captured while it runs as it is at that moment, and goes on', async () => {
    const { provider, run, waitForGuest, instances } = lab;
    const machine = await lab.launch('live');
    await waitForGuest(machine);
    await run(machine, 'echo before > /root/data; sync');
    const source = { kind: 'instance', instance: machine.id, whenRunning: 'flush' } as const;
    const image = await provider.images.create({ name: 'live-copy', source });
    expect(await run(machine, 'echo after > /root/data; cat /root/data')).toBe('after');
    await instances.delete(machine.id);
    const copy = await lab.launch('copy', { boot: { kind: 'image', image: image.ref } });
    await waitForGuest(copy);
    expect(await run(copy, 'cat /root/data')).toBe('before');
    await instances.delete(copy.id);
  });
});

/** The addresses at which a process listens over TCP. */
async function listeners(pid: number): Promise<string[]> {
  const links = await readdir(`/proc/${pid}/fd`);
  const targets = await Promise.all(
    links.map((fd) => readlink(`/proc/${pid}/fd/${fd}`).catch(() => '')),
  );
  const inodes = new Set(targets.flatMap((target) => /^socket:\[(\d+)\]$/.exec(target)?.[1] ?? []));
  const tables = await Promise.all(
    ['tcp', 'tcp6'].map((name) => readFile(`/proc/${pid}/net/${name}`, 'utf8')),
  );
  return tables
    .join('\n')
    .split('\n')
    .map((line) => line.trim().split(/\s+/))
    .filter(([, , , state, , , , , , inode]) => state === '0A' && inodes.has(inode ?? ''))
    .map(([, local = '']) => (local.startsWith('0100007F:') ? '127.0.0.1' : local));
}
