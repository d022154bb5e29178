import type { Plugin } from '@imgkit/core';
import { afterAll } from 'vitest';

import { rackspace } from '../src/plugin.ts';
import type { RackspaceOptions } from '../src/options.ts';
import { ClassicCloud } from './classic/classic-cloud.ts';
import { endpointOf, openstack, type User } from './openstack.ts';

const users: readonly User[] = ['images', 'consumer-a', 'consumer-b'];

let started: Promise<ClassicCloud> | undefined;

afterAll(async () => {
  await (await started)?.close();
  started = undefined;
});

/** The classic cloud of this file's tests, with the tests' OpenStack behind it. */
export function classicCloud(): Promise<ClassicCloud> {
  started ??= start();
  return started;
}

async function start(): Promise<ClassicCloud> {
  const { identity, password } = openstack();
  const [image, compute] = await Promise.all([endpointOf('image'), endpointOf('compute')]);
  return ClassicCloud.start({ identity, image, compute, users, password });
}

/** How a user signs in to it, as users of the classic cloud do: with an API key. */
export async function classicOptions(
  user: User,
  more: RackspaceOptions = {},
): Promise<RackspaceOptions> {
  const cloud = await classicCloud();
  const apiKey = cloud.accounts.find(user)?.apiKey;
  const authUrl = `${cloud.origin}/identity/v2.0`;
  return { profile: 'rackspace', authUrl, username: user, apiKey, ...more };
}

/** The plugin for a user, under the user's name. */
export async function classicProvider(user: User, more: RackspaceOptions = {}): Promise<Plugin> {
  return rackspace({ name: user, ...(await classicOptions(user, more)) });
}
