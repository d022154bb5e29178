import { execFile } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';

import { createImgkit, ImgkitError, type Provider } from '@imgkit/core';
import { startGceEmulator, type GceEmulator } from '@imgkit/emulators';
import { qemu } from '@imgkit/qemu';
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest';

const base = inject('tinyBase');
const run = promisify(execFile);
const project = 'imgkit-test';
const zone = 'us-central1-a';

/** Sends a request, and gives the answer, whose form is Google's. */
async function send(verb: string, url: string, content?: object): Promise<any> {
  const answer = await fetch(url, { method: verb, body: JSON.stringify(content) ?? null });
  const read = await answer.json();
  if (!answer.ok) throw new Error(JSON.stringify(read));
  return read;
}

/** The names in a listing. */
async function left(listing: AsyncIterable<{ readonly name: string }>): Promise<string[]> {
  const names = [];
  for await (const { name } of listing) names.push(name);
  return names;
}

/** Whether this machine lets the emulator give addresses, or why not. */
async function whyNot(): Promise<string | undefined> {
  if (base.missing !== undefined) return base.missing;
  const kit = await createImgkit({
    stateDirectory: await mkdtemp(join(inject('vmDirectory'), 'probe-')),
    providers: [qemu({ directory: join(inject('vmDirectory'), 'probe-store') })],
  });
  await using _ = kit;
  try {
    await using emulator = await startGceEmulator({ machines: kit.providers.get('qemu') });
    return emulator.endpoint === '' ? 'no endpoint' : undefined;
  } catch (error) {
    if (!ImgkitError.is(error, 'FAILED_PRECONDITION')) throw error;
    return `${error.message}. ${error.hint ?? ''}`;
  }
}

const missing = await whyNot();

describe.skipIf(missing !== undefined)(
  `an emulated Compute Engine with real machines ${missing ?? ''}`,
  () => {
    let home: string;
    let kit: Awaited<ReturnType<typeof createImgkit>>;
    let machines: Provider;
    let emulator: GceEmulator;
    let key: string;

    /** Calls the API, waits for the operation, and gives what it is about. */
    const api = async (method: string, path: string, body?: object): Promise<any> => {
      const root = `${emulator.endpoint}/compute/v1/projects/${project}`;
      const given = await send(method, `${root}/${path}`, body);
      if (given.kind !== 'compute#operation') return given;
      const place = given.zone === undefined ? 'global' : `zones/${zone}`;
      for (;;) {
        const operation = await send('POST', `${root}/${place}/operations/${given.name}/wait`);
        if (operation.error) throw new Error(JSON.stringify(operation.error));
        if (operation.status === 'DONE') return operation;
      }
    };
    const insert = async (name: string, image: string) => {
      const { stdout } = await run('ssh-keygen', ['-y', '-f', key]);
      await api('POST', `zones/${zone}/instances`, {
        name,
        machineType: `zones/${zone}/machineTypes/custom-1-256`,
        disks: [{ boot: true, autoDelete: true, initializeParams: { sourceImage: image } }],
        networkInterfaces: [{ accessConfigs: [{}] }],
        metadata: {
          items: [
            { key: 'ssh-keys', value: `root:${stdout.trim()}` },
            { key: 'enable-guest-attributes', value: 'TRUE' },
          ],
        },
      });
    };
    const get = (name: string) => api('GET', `zones/${zone}/instances/${name}`);
    /** Logs in at port 22 of the instance's address, whose host key must be the one that it publishes. */
    const ssh = async (name: string, command: string): Promise<string> => {
      const { natIP } = (await get(name)).networkInterfaces[0].accessConfigs[0];
      const attributes = await api(
        'GET',
        `zones/${zone}/instances/${name}/getGuestAttributes?queryPath=hostkeys/`,
      );
      const known = join(home, 'known-hosts');
      const keys: { key: string; value: string }[] = attributes.queryValue.items;
      await writeFile(known, keys.map((one) => `${natIP} ${one.key} ${one.value}\n`).join(''));
      const options = [
        `UserKnownHostsFile=${known}`,
        'StrictHostKeyChecking=yes',
        'BatchMode=yes',
        'ConnectTimeout=30',
      ];
      const args = ['-i', key, ...options.flatMap((option) => ['-o', option]), `root@${natIP}`];
      for (;;) {
        try {
          return (await run('ssh', [...args, command])).stdout.trim();
        } catch (error) {
          // The guest is still booting.
          if (!/Connection (closed|reset)|kex_exchange|banner/.test(String(error))) throw error;
          await new Promise((resolve) => setTimeout(resolve, 500));
        }
      }
    };

    beforeAll(async () => {
      home = await mkdtemp(join(inject('vmDirectory'), 'gce-'));
      key = join(home, 'key');
      await run('ssh-keygen', ['-q', '-t', 'ed25519', '-N', '', '-f', key]);
      kit = await createImgkit({
        stateDirectory: join(home, 'state'),
        providers: [qemu({ directory: join(home, 'store') })],
      });
      machines = kit.providers.get('qemu');
      emulator = await startGceEmulator({ machines });
      await emulator.project(project).importImage({ name: 'tiny', file: base.image?.path ?? '' });
    });
    afterAll(async () => {
      await emulator.close();
      await kit[Symbol.asyncDispose]();
      await rm(home, { recursive: true, force: true });
    });

    it('boots them, reaches them at port 22 of an address of their own, and captures what they wrote', async () => {
      await insert('one', 'global/images/tiny');
      expect(await ssh('one', 'hostname; echo written > /root/mark; sync')).not.toBe('');
      const serial = await api('GET', `zones/${zone}/instances/one/serialPort`);
      expect(serial.contents.length).toBeGreaterThan(0);
      await api('POST', `zones/${zone}/instances/one/stop`);
      expect(await get('one')).toMatchObject({ status: 'TERMINATED' });
      await api('POST', 'global/images', { name: 'two', sourceDisk: `zones/${zone}/disks/one` });

      await api('POST', `zones/${zone}/instances/one/start`);
      await insert('two', 'global/images/two');
      const addresses = [await get('one'), await get('two')].map(
        ({ networkInterfaces }) => networkInterfaces[0].accessConfigs[0].natIP,
      );
      expect(new Set(addresses).size).toBe(2);
      expect(await ssh('one', 'cat /root/mark')).toBe('written');
      expect(await ssh('two', 'cat /root/mark')).toBe('written');
      expect(emulator.violations).toEqual([]);
    });

    it('leaves nothing of them when it ends', async () => {
      await emulator.close();
      expect(await left(machines.images.list())).toEqual([]);
      expect(machines.instances && (await left(machines.instances.list()))).toEqual([]);
      expect(machines.disks && (await left(machines.disks.list()))).toEqual([]);
    });
  },
);
