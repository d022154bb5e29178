import { ImgkitError } from '@imgkit/core';
import { createMemoryProvider, memoryCloud } from '@imgkit/core/testing';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it, onTestFinished } from 'vitest';
import { generateSshKeyPair } from './communicator/ssh-keys.ts';
import { FakeGuests } from '../test/fake-guests.ts';
import { ProviderMachine, type Connect } from './machine.ts';

async function setUp(connect?: Connect, fastRestart = false) {
  const guests = new FakeGuests();
  const cloud = memoryCloud({ guest: guests.factory, traits: { instances: { fastRestart } } });
  const { images, instances } = createMemoryProvider({ cloud });
  const directory = await mkdtemp(join(tmpdir(), 'imgkit-machine-'));
  onTestFinished(() => rm(directory, { recursive: true }));
  await writeFile(join(directory, 'disk'), '{"jobs":true}');
  const source = { kind: 'file', file: join(directory, 'disk') } as const;
  const { ref } = await images.create({ name: 'base', source });
  const hostKey = generateSshKeyPair('host');
  const boot = { kind: 'image', image: ref } as const;
  const { id } = await instances.launch({ name: 'm', boot, hostKey });
  const signal = new AbortController();
  const machine = new ProviderMachine({
    provider: 'memory',
    instances,
    instance: id,
    connect: connect ?? guests.connect,
    user: 'root',
    keys: async () => ({
      privateKey: generateSshKeyPair('login').privateKey,
      hostKey: hostKey.publicKey,
    }),
    bootTimeoutMs: 60_000,
    resumed: false,
    watchMs: 10,
    signal: signal.signal,
  });
  return { machine, instances, id, guests, signal, cloud };
}

it('keeps one connection while it stands, and makes a new one when it is lost', async () => {
  const { machine, guests } = await setUp();
  const [first, again] = [await machine.guest(), await machine.guest()];
  expect(again).toBe(first);
  await machine.disconnect();
  expect(first.connected).toBe(false);
  expect(await machine.guest()).not.toBe(first);
  expect(guests.connections).toBe(2);
});

it.each([true, false])('restarts once, proved by the boot id (fastRestart: %s)', async (fast) => {
  const { machine, guests } = await setUp(undefined, fast);
  const since = await machine.bootId();
  await machine.restart({ since, timeoutMs: 15_000 });
  const now = await machine.bootId();
  expect(now).not.toBe(since);
  await machine.restart({ since, timeoutMs: 15_000 });
  expect(await machine.bootId()).toBe(now);
  expect(guests.log).toEqual([fast ? 'poweroff' : 'reboot']);
});

it('switches a machine on that a crash left switched off in the middle of a restart', async () => {
  const { machine, instances, id } = await setUp(undefined, true);
  const since = await machine.bootId();
  await instances.stop(id);
  await machine.restart({ since, timeoutMs: 15_000 });
  expect(await machine.bootId()).not.toBe(since);
});

it('switches a machine on that goes down while it is asked, as a process was told that is no more', async () => {
  let goesDown = true;
  const { machine, instances, id, guests } = await setUp(async (options) => {
    if (!goesDown) return guests.connect(options);
    goesDown = false;
    await instances.stop(id);
    return new Promise((_, reject) => {
      options.signal.addEventListener('abort', () => reject(new ImgkitError('CANCELLED', 'ended')));
    });
  }, true);
  await machine.restart({ since: 'the boot before', timeoutMs: 15_000 });
  expect(await machine.bootId()).not.toBe('the boot before');
  expect(await instances.get(id)).toMatchObject({ status: 'RUNNING' });
});

it('does not wait for a machine that has stopped', async () => {
  const connecting = Promise.withResolvers<void>();
  const { machine, instances, id } = await setUp(({ signal }) => {
    connecting.resolve();
    return new Promise((_, reject) => {
      signal.addEventListener('abort', () => reject(new ImgkitError('CANCELLED', 'stopped')));
    });
  });
  const guest = machine.guest().catch((error: unknown) => error);
  await connecting.promise;
  await instances.stop(id);
  expect(await guest).toMatchObject({
    code: 'OPERATION_FAILED',
    message: expect.stringContaining('the machine is STOP'),
  });
});

it('seals and stops, also when an earlier program had told it to and the key is gone', async () => {
  const { machine, instances, id, guests } = await setUp();
  const warnings: string[] = [];
  const seal = (begun: boolean) =>
    machine.sealAndStop('ssh-ed25519 AAAA x', {}, begun, (message) => warnings.push(message));
  await seal(false);
  expect(await instances.get(id)).toMatchObject({ status: 'STOPPED' });
  await seal(true);
  expect(guests.log).toEqual(['seal']);
  expect(warnings).toEqual([]);

  const other = await setUp(() => Promise.reject(new ImgkitError('UNAUTHENTICATED', 'no key')));
  const options = ['ssh-ed25519 AAAA x', {}] as const;
  await expect(other.machine.sealAndStop(...options, false, () => undefined)).rejects.toThrow(
    'no key',
  );
  expect(await other.instances.get(other.id)).toMatchObject({ status: 'RUNNING' });
  await other.machine.sealAndStop(...options, true, () => undefined);
  expect(await other.instances.get(other.id)).toMatchObject({ status: 'STOPPED' });
});

it('fails when the guest could not be sealed', async () => {
  const { machine, guests } = await setUp();
  guests.sealFails = true;
  const sealing = machine.sealAndStop('ssh-ed25519 AAAA x', {}, false, () => undefined);
  await expect(sealing).rejects.toMatchObject({ code: 'OPERATION_FAILED', operation: 'seal' });
});
