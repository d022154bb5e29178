import type { TestProject } from 'vitest/node';

import { reasonToSkip, startOpenStack, type OpenStack } from './cloud.ts';

/** A real OpenStack on loopback, or why there is none here: skip the tests with that reason. */
export type OpenStackCloud =
  | (Omit<OpenStack, 'stop'> & { readonly missing?: undefined })
  | { readonly missing: string };

declare module 'vitest' {
  interface ProvidedContext {
    /** The OpenStack that all these tests share. Read it with `inject`. */
    openstack: OpenStackCloud;
  }
}

/** Runs once, before the first test: starts Keystone, Glance, Placement, Nova and Cinder, and ends them after the last. */
export async function setup(project: TestProject): Promise<(() => Promise<void>) | undefined> {
  const missing = await reasonToSkip();
  if (missing !== undefined) {
    console.log(`The tests against OpenStack are skipped: ${missing}`);
    project.provide('openstack', { missing });
    return undefined;
  }
  const { stop, ...cloud } = await startOpenStack();
  project.provide('openstack', cloud);
  return stop;
}
