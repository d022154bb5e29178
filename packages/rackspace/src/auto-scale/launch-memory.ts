import { createHash } from 'node:crypto';

import type { CallOptions } from '@imgkit/core';

import { readJson } from '../http/transport.ts';
import type { Swift } from '../swift/swift.ts';
import { launchConfiguration, type LaunchConfiguration } from './auto-scale.ts';
import { templateOf } from './launch-configuration.ts';

/** A group, and the launch configuration that it has or shall get. */
export interface LaunchPlace {
  readonly id: string;
  readonly launch: LaunchConfiguration;
}

/**
 * Remembers, in the object store, the whole launch configuration that came before each of a group's: what a group
 * itself can note is too short for it. It is kept under the one that follows, before the group gets that. So it is
 * known at any moment what the group had before what it has, wherever a process is killed.
 */
export class LaunchMemory {
  readonly #swift: Swift;
  readonly #container: string;

  constructor(swift: Swift, container: string) {
    this.#swift = swift;
    this.#container = container;
  }

  /** Notes what comes before a launch configuration that a group shall get. */
  async keep(
    next: LaunchPlace,
    before: LaunchConfiguration,
    { signal }: CallOptions,
  ): Promise<void> {
    // One that is rolled out again, as after a rollout that broke off, has nothing new before it.
    if (templateOf(before.args.server) === templateOf(next.launch.args.server)) return;
    await this.#swift.makeContainer(this.#container, { signal });
    const bytes = new TextEncoder().encode(JSON.stringify(before));
    await this.#swift.put(this.#container, nameOf(next), bytes, { signal });
    const needed = new Set([next, { id: next.id, launch: before }].map(nameOf));
    for await (const { name } of this.#swift.list(this.#container, below(next.id), { signal }))
      if (!needed.has(name)) await this.#swift.remove(this.#container, name, { signal });
  }

  /** What a group had before a launch configuration; nothing when that was its first. */
  async read(
    place: LaunchPlace,
    { signal }: CallOptions,
  ): Promise<LaunchConfiguration | undefined> {
    const name = nameOf(place);
    const response = await this.#swift.get(this.#container, name, { signal });
    if (response === undefined) return undefined;
    return launchConfiguration.safeParse(await readJson(response, name)).data;
  }

  /** Removes all that is remembered of a group. */
  async forget(group: string, { signal }: CallOptions): Promise<void> {
    for await (const { name } of this.#swift.list(this.#container, below(group), { signal }))
      await this.#swift.remove(this.#container, name, { signal });
  }
}

function nameOf({ id, launch }: LaunchPlace): string {
  const digest = createHash('sha256').update(templateOf(launch.args.server)).digest('hex');
  return `${below(id).prefix}${digest.slice(0, 32)}.json`;
}

function below(group: string): { readonly prefix: string } {
  return { prefix: `fleets/${group}/before/` };
}
