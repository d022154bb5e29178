import type { CallOptions } from '@imgkit/core';

import { readJson } from '../http/transport.ts';
import type { Swift } from '../swift/swift.ts';
import { launchConfiguration, type LaunchConfiguration } from './auto-scale.ts';

/**
 * Remembers the launch configuration that a group had before its last rollout, whole, in the object store: what a
 * group itself can note is too short for it.
 */
export class LaunchMemory {
  readonly #swift: Swift;
  readonly #container: string;

  constructor(swift: Swift, container: string) {
    this.#swift = swift;
    this.#container = container;
  }

  async keep(group: string, launch: LaunchConfiguration, { signal }: CallOptions): Promise<void> {
    await this.#swift.makeContainer(this.#container, { signal });
    const bytes = new TextEncoder().encode(JSON.stringify(launch));
    await this.#swift.put(this.#container, nameOf(group), bytes, { signal });
  }

  async read(group: string, { signal }: CallOptions): Promise<LaunchConfiguration | undefined> {
    const name = nameOf(group);
    const response = await this.#swift.get(this.#container, name, { signal });
    if (response === undefined) return undefined;
    return launchConfiguration.safeParse(await readJson(response, name)).data;
  }

  async forget(group: string, { signal }: CallOptions): Promise<void> {
    await this.#swift.remove(this.#container, nameOf(group), { signal });
  }
}

function nameOf(group: string): string {
  return `fleets/${group}/before.json`;
}
