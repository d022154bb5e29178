import { randomUUID } from 'node:crypto';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';

import { formatProcess, parseProcess, systemProcesses } from '../process-identity.ts';

import { removeLeftover } from './leftover.ts';

/** Whether a process still runs. `unknown` is said of those that can't be seen from here. */
export type Liveness = 'alive' | 'dead' | 'unknown';

let myself: string | undefined;

/** The identity of this process as text, which outlasts the reuse of its number. */
export function currentProcess(): string {
  myself ??= formatProcess(systemProcesses.self());
  return myself;
}

/** Tells whether the process that {@link currentProcess} named so still runs. */
export function liveness(text: string): Liveness {
  const identity = parseProcess(text);
  if (identity === undefined) return 'unknown';
  // A store is one machine's, so who worked there before its last boot is gone.
  if (bootOf(identity.host) !== bootOf(systemProcesses.self().host)) return 'dead';
  // A container's numbers say nothing here, and ours nothing there.
  const alive = systemProcesses.isAlive(identity);
  if (alive === undefined) return 'unknown';
  return alive ? 'alive' : 'dead';
}

const bootOf = (host: string): string => host.slice(0, host.indexOf('-'));

const pattern = /~([\da-z]+-\d+-[\da-f]+-\d+)~[\da-f-]{36}(?:\.\w+)?$/;

/** A fresh file name that says which process made it. */
export function ownName(prefix = '', suffix = ''): string {
  return `${prefix}~${currentProcess()}~${randomUUID()}${suffix}`;
}

/** Which process made the file `name`; `undefined` for names that {@link ownName} didn't make. */
export function ownerOf(name: string): string | undefined {
  return pattern.exec(name)?.[1];
}

/** Removes the files and directories in `directory` that begin with `prefix` and were made by a process that has died. */
export async function removeAbandoned(directory: string, prefix: string): Promise<void> {
  for (const name of await readdir(directory)) {
    const owner = name.startsWith(prefix) ? ownerOf(name) : undefined;
    if (owner !== undefined && liveness(owner) === 'dead')
      await removeLeftover(join(directory, name));
  }
}
