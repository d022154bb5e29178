import { createHash } from 'node:crypto';

import type { ImageRef, Provider } from '@imgkit/core';

/** What stands behind the emulator's resources: their links, and what the provider calls them. */
export interface ProviderThings {
  readonly provider: Provider;
  readonly images: Map<string, ImageRef>;
  readonly disks: Map<string, string>;
  readonly snapshots: Map<string, string>;
  readonly instances: Map<string, string>;
  /** The link of the instance that a disk is attached to, while there is a machine for it. */
  readonly users: Map<string, string>;
  /** A name at the provider for a new thing: never the same twice. */
  newName(link: string): string;
}

export function createThings(provider: Provider): ProviderThings {
  const own = createHash('sha256').update(`${process.pid} ${Date.now()} ${Math.random()}`);
  const mark = own.digest('hex').slice(0, 8);
  let serial = 0;
  return {
    provider,
    images: new Map(),
    disks: new Map(),
    snapshots: new Map(),
    instances: new Map(),
    users: new Map(),
    newName(link) {
      const last = link.slice(link.lastIndexOf('/') + 1);
      // The parts of a machine image are numbered, and names begin with a letter.
      const plain = last.toLowerCase().replaceAll(/[^a-z0-9-]/g, '-');
      const name = /^[a-z]/.test(plain) ? plain : `part-${plain}`;
      serial += 1;
      return `${name.slice(0, 40)}-${mark}-${serial}`;
    },
  };
}

/** What the provider calls a thing, which must be there. */
export function idOf<T>(things: ReadonlyMap<string, T>, link: string): T {
  const id = things.get(link);
  if (id === undefined) throw new Error(`There is no machine part behind '${link}'.`);
  return id;
}
