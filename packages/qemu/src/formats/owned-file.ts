import { randomUUID } from 'node:crypto';
import { readFileSync, readlinkSync } from 'node:fs';
import { readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';

/**
 * The identity of a process that outlasts the reuse of its number, as text: number, start time in
 * ticks since boot, boot, and the namespace in which the number means something.
 */
export type ProcessIdentity = string;

/** Whether a process still runs. `unknown` is said of those that can't be seen from here. */
export type Liveness = 'alive' | 'dead' | 'unknown';

const bootId = readBootId();
const namespace = readNamespace();
const myself = describe(process.pid) ?? `${process.pid}-0-${bootId}-${namespace}`;

/** The identity of this process. */
export function currentProcess(): ProcessIdentity {
  return myself;
}

/** The identity of the running process `pid`; `undefined` when there is none. */
export function describe(pid: number): ProcessIdentity | undefined {
  const start = startTime(pid);
  return start === undefined ? undefined : `${pid}-${start}-${bootId}-${namespace}`;
}

/** Tells whether the process `identity` still runs. */
export function liveness(identity: ProcessIdentity): Liveness {
  const [pid, start, boot, space] = identity.split('-');
  if (pid === undefined || start === undefined || !/^\d+$/.test(pid) || space === undefined)
    return 'unknown';
  if (boot !== bootId) return 'dead';
  // A container's numbers say nothing here, and ours nothing there.
  if (space !== namespace) return 'unknown';
  return startTime(Number(pid)) === start ? 'alive' : 'dead';
}

const pattern = /~([\da-z]+-\d+-[\da-f]+-\d+)~[\da-f-]{36}(?:\.\w+)?$/;

/** A fresh file name that says which process made it. */
export function ownName(prefix = '', suffix = ''): string {
  return `${prefix}~${myself}~${randomUUID()}${suffix}`;
}

/** Which process made the file `name`; `undefined` for names that {@link ownName} didn't make. */
export function ownerOf(name: string): ProcessIdentity | undefined {
  return pattern.exec(name)?.[1];
}

/** Removes the files and directories in `directory` that begin with `prefix` and were made by a process that has died. */
export async function removeAbandoned(directory: string, prefix: string): Promise<void> {
  for (const name of await readdir(directory)) {
    const owner = name.startsWith(prefix) ? ownerOf(name) : undefined;
    if (owner !== undefined && liveness(owner) === 'dead')
      await rm(join(directory, name), { recursive: true, force: true });
  }
}

/** Field 22 of `/proc/<pid>/stat`; the command before it may hold any character, also `)`. */
function startTime(pid: number): string | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'latin1');
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    // A zombie has ended and only waits for its parent to notice.
    return fields[0] === 'Z' || fields[0] === 'X' ? undefined : fields[19];
  } catch {
    return undefined;
  }
}

function readBootId(): string {
  try {
    const id = readFileSync('/proc/sys/kernel/random/boot_id', 'latin1');
    return id.trim().replaceAll('-', '').slice(0, 12);
  } catch {
    return '0';
  }
}

function readNamespace(): string {
  try {
    return /\d+/.exec(readlinkSync('/proc/self/ns/pid'))?.[0] ?? '0';
  } catch {
    return '0';
  }
}
