import { readdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest';

import { createHostKey } from '../src/machine/host-key.ts';
import { guestLab, machineType, type GuestLab } from './guests.ts';

const base = inject('tinyBase');

describe.skipIf(base.image === undefined)('a saved machine', () => {
  let lab: GuestLab;
  let key: string;

  beforeAll(async () => {
    lab = await guestLab(inject('vmDirectory'), base.image?.path ?? '');
    const { warmStarts } = lab.provider;
    if (warmStarts === undefined) throw new Error('there are no warm starts');
    key = await warmStarts.key({ image: lab.image.ref.id, machineType });
    const first = await lab.launch('first', { warmStart: key });
    await lab.waitForGuest(first);
    await lab.run(first, 'echo in-memory > /run/mark');
    await lab.run(first, warmStarts.guestScript);
    await warmStarts.save(key, first.id);
  });

  afterAll(async () => {
    await lab[Symbol.asyncDispose]();
  });

  it('goes on as before, and restarts with all it wrote since', async () => {
    const first = await lab.instances.get('projects/default/instances/first');
    expect(await lab.run(first, `echo later > /root/later; hostname; cat /run/mark`)).toBe(
      'first\nin-memory',
    );
    // What waits in the guest for a new identity is told that it is not wanted.
    await lab.run(first, 'while [ -e /run/imgkit-waiter ]; do sleep 0.1; done');
    await lab.instances.stop(first.id);
    await lab.instances.start(first.id);
    await lab.waitForGuest(first);
    expect(await lab.run(first, 'cat /root/later')).toBe('later');
    await lab.instances.delete(first.id);
  });

  it('comes back as machines of their own: name, host key, login key, randomness, disk', async () => {
    const owner = createHostKey();
    const ownerFile = join(lab.home, 'owner');
    await writeFile(ownerFile, owner.privateKey, { mode: 0o600 });
    const authorizedKeys = [{ user: 'root', publicKey: owner.publicKey }];
    const began = performance.now();
    const [one, two] = [
      await lab.launch('one', { warmStart: key, authorizedKeys }),
      await lab.launch('two', { warmStart: key, authorizedKeys }),
    ];
    console.log(`two machines resumed in ${Math.round(performance.now() - began)} ms`);
    const script =
      'cat /run/mark; hostname; cat /proc/sys/kernel/random/uuid; date +%s; ls /run/imgkit-waiter 2>&1 | wc -l';
    const asked = Date.now();
    const a = await lab.run(one, script, ownerFile);
    const answered = Date.now();
    const b = await lab.run(two, script, ownerFile);
    const [mark, name, random, time = '0'] = a.split('\n');
    expect([mark, name]).toEqual(['in-memory', 'one']);
    expect(b.split('\n')[1]).toBe('two');
    expect(b.split('\n')[2]).not.toBe(random);
    expect(Number(time) * 1000).toBeGreaterThan(asked - 15_000);
    expect(Number(time) * 1000).toBeLessThan(answered + 15_000);
    const keys = await Promise.all(
      [one, two].map(async ({ id }) => (await lab.instances.endpoint(id)).hostKeys[0]),
    );
    expect(new Set(keys).size).toBe(2);
    await expect(lab.run(one, 'true')).rejects.toThrow('Permission denied');
    await lab.run(one, 'echo mine > /root/mine; sync', ownerFile);
    expect(await lab.run(two, 'ls /root', ownerFile)).not.toContain('mine');

    // What they stand on may go: they have their own names for the files.
    await lab.provider.warmStarts?.delete(key);
    expect(await lab.provider.warmStarts?.has(key)).toBe(false);
    await lab.instances.stop(one.id);
    await lab.instances.start(one.id);
    await lab.waitForGuest(one);
    expect(await lab.run(one, 'hostname; cat /root/mine', ownerFile)).toBe('one\nmine');
    await lab.instances.delete(one.id);
    await lab.instances.delete(two.id);
  });

  it('that is damaged is booted instead, and forgotten', async () => {
    const { warmStarts } = lab.provider;
    const again = await lab.launch('again');
    await lab.waitForGuest(again);
    await lab.run(again, warmStarts?.guestScript ?? '');
    await warmStarts?.save(key, again.id);
    await lab.instances.delete(again.id);
    expect(await warmStarts?.has(key)).toBe(true);
    const memory = join(lab.store, 'warm', key, 'memory');
    await rm(memory);
    await writeFile(memory, 'not a machine');
    const machine = await lab.launch('booted', { warmStart: key });
    await lab.waitForGuest(machine);
    expect(await lab.run(machine, 'hostname')).toBe('booted');
    expect(await warmStarts?.has(key)).toBe(false);
    expect(await readdir(join(lab.store, 'warm'))).toEqual([]);
    await lab.instances.delete(machine.id);
  });
});
