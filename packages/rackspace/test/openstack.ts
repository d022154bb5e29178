import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { createImgkit, type Imgkit, type Plugin } from '@imgkit/core';
import { inject, onTestFinished } from 'vitest';
import { z } from 'zod';

import { cloudSettings, type CloudSettings } from '../src/configuration/cloud-settings.ts';
import { signIn } from '../src/identity/sign-in.ts';
import { createTransport } from '../src/http/transport.ts';
import { rackspace } from '../src/plugin.ts';
import type { Token } from '../src/identity/token.ts';
import type { RackspaceOptions } from '../src/options.ts';

/** The users of the tests' OpenStack; each has a project of its name. */
export type User = 'images' | 'consumer-a' | 'consumer-b' | 'admin';

const cloud = inject('openstack');

/** Why there is no OpenStack here; `undefined` when there is one. */
export const missing = cloud.missing;

/** The OpenStack that these tests share. */
export function openstack() {
  if (cloud.missing !== undefined) throw new Error(cloud.missing);
  return cloud;
}

/** How a user signs in. */
export function optionsOf(user: User, more: RackspaceOptions = {}): RackspaceOptions {
  const { identity: authUrl, password } = openstack();
  return { authUrl, username: user, password, projectName: user, region: 'RegionOne', ...more };
}

/** The plugin for a user, under the user's name. */
export function providerOf(user: User, more: RackspaceOptions = {}): Plugin {
  return rackspace({ name: user, ...optionsOf(user, more) });
}

/** A kit that goes with the test. */
export async function kitOf(...providers: readonly Plugin[]): Promise<Imgkit> {
  const stateDirectory = await scratch();
  const kit = await createImgkit({ stateDirectory, providers });
  onTestFinished(() => kit[Symbol.asyncDispose]());
  return kit;
}

/** A directory that goes with the test. */
export async function scratch(): Promise<string> {
  const directory = await mkdtemp(join(tmpdir(), 'imgkit-rackspace-'));
  onTestFinished(() => rm(directory, { recursive: true, force: true }));
  return directory;
}

/** A small raw disk file. */
export async function diskFile(path: string, size = 64 * 1024): Promise<string> {
  await writeFile(path, Buffer.alloc(size, `${path} `));
  return path;
}

const send = createTransport();
const tokens = new Map<User, Promise<Token>>();

/** Asks a service as a user, beside the adapter. */
export async function ask(
  user: User,
  service: 'identity' | 'image' | 'compute' | 'volumev3',
  path: string,
  init: RequestInit = {},
): Promise<Response> {
  const signedIn = tokens.get(user) ?? settingsOf(user).then((one) => signIn(one, send));
  tokens.set(user, signedIn);
  const token = await signedIn;
  const base = token.catalog.find(({ type }) => type === service)?.url ?? '';
  const headers = { ...Object(init.headers), 'x-auth-token': token.secret.reveal() };
  return fetch(`${base}${path}`, { ...init, headers });
}

/** The address of a service. */
export async function endpointOf(service: 'image' | 'compute' | 'volumev3'): Promise<string> {
  const { catalog } = await signIn(await settingsOf('images'), send);
  return catalog.find(({ type }) => type === service)?.url ?? '';
}

/** Takes a token back before its time. */
export async function revoke(token: string): Promise<void> {
  const headers = { 'x-subject-token': token };
  await ask('images', 'identity', '/auth/tokens', { method: 'DELETE', headers });
}

/** Makes an application credential of the user `images`. */
export async function applicationCredential(name: string) {
  const { user } = await tokenOf('images');
  const path = `/users/${user}/application_credentials`;
  const response = await ask('images', 'identity', path, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ application_credential: { name } }),
  });
  const made = credential.parse(await response.json()).application_credential;
  return {
    ...made,
    remove: async () => {
      await ask('images', 'identity', `${path}/${made.id}`, { method: 'DELETE' });
    },
  };
}

const credential = z.object({
  application_credential: z.object({ id: z.string(), secret: z.string() }),
});
const subject = z.object({ token: z.object({ user: z.object({ id: z.string() }) }) });

async function tokenOf(user: User): Promise<{ readonly user: string }> {
  const token = await signIn(await settingsOf(user), send);
  const secret = token.secret.reveal();
  const headers = { 'x-auth-token': secret, 'x-subject-token': secret };
  const response = await fetch(`${openstack().identity}/auth/tokens`, { headers });
  return { user: subject.parse(await response.json()).token.user.id };
}

function settingsOf(user: User): Promise<CloudSettings> {
  return cloudSettings(optionsOf(user), { environment: {}, directory: '/' });
}
