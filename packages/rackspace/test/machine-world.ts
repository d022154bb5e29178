import { spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';

import {
  supports,
  type Capabilities,
  type CapabilityName,
  type Image,
  type Labels,
  type Provider,
} from '@imgkit/core';
import { expect, onTestFinished } from 'vitest';

import { startProxy, type FaultyProxy } from './faulty-proxy.ts';
import {
  diskFile,
  endpointOf,
  kitOf,
  optionsOf,
  providerOf,
  scratch,
  type User,
} from './openstack.ts';
import type { RackspaceOptions } from '../src/options.ts';

/** What tests about servers, volumes and fleets work in. */
export interface MachineWorld {
  readonly provider: Provider & Pick<Capabilities, CapabilityName>;
  /** Begins the names of all that the test makes. */
  readonly run: string;
  readonly labels: Labels;
  /** An image whose servers cost nothing: there is no guest on it. */
  readonly image: Image;
}

/** A provider, an image, and the promise that nothing with the test's labels is left behind. */
export async function machineWorld(user: User = 'images'): Promise<MachineWorld> {
  const kit = await kitOf(providerOf(user));
  const provider = whole(kit.providers.get(user));
  const run = `t-${randomBytes(4).toString('hex')}`;
  const labels = { 'imgkit-run': run };
  onTestFinished(() => removeAll(provider, labels), 120_000);
  const file = await diskFile(`${await scratch()}/disk.raw`);
  const source = { kind: 'file', file } as const;
  const image = await provider.images.create({ name: `${run}-base`, source, labels });
  return { provider, run, labels, image };
}

/** Another provider of the same project, with faults between it and one service. */
export async function proxied(
  service: 'image' | 'compute' | 'volumev3',
): Promise<{ readonly proxy: FaultyProxy; readonly options: RackspaceOptions }> {
  const url = new URL(await endpointOf(service));
  const proxy = await startProxy(url.origin);
  const option = { image: 'imageEndpoint', compute: 'computeEndpoint', volumev3: 'volumeEndpoint' };
  const path = url.pathname === '/' ? '' : url.pathname;
  return { proxy, options: optionsOf('images', { [option[service]]: `${proxy.url}${path}` }) };
}

/** Another provider of the same project. */
export async function anotherProvider(options: RackspaceOptions = {}) {
  const kit = await kitOf(providerOf('images', options));
  return whole(kit.providers.get('images'));
}

/** Makes a call in a process of its own, and kills that one as soon as a service has been asked something. */
export async function killedAt(
  { proxy, options }: { readonly proxy: FaultyProxy; readonly options: RackspaceOptions },
  asked: RegExp,
  call: string,
  request: unknown,
): Promise<void> {
  const program = fileURLToPath(new URL('killed-program.ts', import.meta.url));
  const flags = ['--no-warnings', '--experimental-strip-types', '--conditions=@imgkit/source'];
  const given = [await scratch(), JSON.stringify({ name: 'images', ...options })];
  const child = spawn(
    process.execPath,
    [...flags, program, ...given, call, JSON.stringify(request)],
    { stdio: ['ignore', 'inherit', 'inherit'] },
  );
  onTestFinished(() => void child.kill('SIGKILL'));
  const exit = once(child, 'exit');
  await expect
    .poll(() => child.exitCode !== null || proxy.calls.some((one) => asked.test(one.call)), {
      timeout: 60_000,
      interval: 5,
    })
    .toBe(true);
  child.kill('SIGKILL');
  const [, signal]: unknown[] = await exit;
  expect(signal).toBe('SIGKILL');
}

/** All that carries the labels, as `kind name`. */
export async function owned(provider: Provider, labels: Labels): Promise<string[]> {
  const found: string[] = [];
  for await (const { kind, name } of provider.owned.list(labels)) found.push(`${kind} ${name}`);
  return found.toSorted();
}

async function removeAll(provider: Provider, labels: Labels): Promise<void> {
  const left: { readonly kind: Parameters<Provider['owned']['delete']>[0]; readonly id: string }[] =
    [];
  for await (const { kind, id } of provider.owned.list(labels)) left.push({ kind, id });
  for (const { kind, id } of left) await provider.owned.delete(kind, id);
}

function whole(provider: Provider): MachineWorld['provider'] {
  if (isWhole(provider)) return provider;
  throw new Error('the cloud has no servers or no volumes');
}

function isWhole(provider: Provider): provider is MachineWorld['provider'] {
  return (['instances', 'machineImages', 'fleets', 'disks', 'snapshots', 'usage'] as const).every(
    (name) => supports(provider, name),
  );
}
