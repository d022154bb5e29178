import { createHash } from 'node:crypto';
import { readFileSync, readlinkSync } from 'node:fs';
import { hostname } from 'node:os';

/** Which process it is, beyond its number, which the system gives again to others. */
export interface ProcessIdentity {
  /** The boot of the machine, and the process namespace in it, as `<hex>-<number>`; processes are only comparable within one. */
  readonly host: string;
  readonly pid: number;
  /** When it was started, in the system's own unit; empty where that can't be told. */
  readonly started: string;
}

/** The processes of this machine. */
export interface ProcessTable {
  self(): ProcessIdentity;
  /** Whether that process still lives; `undefined` when it can't be told from here. */
  isAlive(identity: ProcessIdentity): boolean | undefined;
}

/** The processes as `/proc` tells of them; elsewhere than on Linux, by number alone. */
export const systemProcesses: ProcessTable = {
  self: () => ({ host: hostIdentity(), pid: process.pid, started: startTime(process.pid) ?? '' }),
  isAlive(identity) {
    if (identity.host !== hostIdentity()) return undefined;
    if (identity.started !== '') return startTime(identity.pid) === identity.started;
    try {
      process.kill(identity.pid, 0);
      return true;
    } catch (error) {
      // Not being allowed to signal a process means that it is there.
      return error instanceof Error && 'code' in error && error.code === 'EPERM';
    }
  },
};

/** An identity as text that can stand in a file's name: `<pid>-<started>-<boot>-<namespace>`, which {@link parseProcess} reads. */
export function formatProcess({ pid, started, host }: ProcessIdentity): string {
  return `${pid}-${started === '' ? '0' : started}-${host}`;
}

/** The identity in a text that {@link formatProcess} made; `undefined` for any other text. */
export function parseProcess(text: string): ProcessIdentity | undefined {
  const [, pid, started, host] = /^(\d+)-(\d+)-([\da-f]+-\d+)$/.exec(text) ?? [];
  if (started === undefined || host === undefined) return undefined;
  return { pid: Number(pid), started: started === '0' ? '' : started, host };
}

let ownHost: string | undefined;

function hostIdentity(): string {
  ownHost ??= readHost();
  return ownHost;
}

function readHost(): string {
  try {
    const boot = readFileSync('/proc/sys/kernel/random/boot_id', 'latin1').replaceAll('-', '');
    const [namespace = '0'] = /\d+/.exec(readlinkSync('/proc/self/ns/pid')) ?? [];
    return `${boot.slice(0, 12)}-${namespace}`;
  } catch {
    return `${createHash('sha256').update(hostname()).digest('hex').slice(0, 12)}-0`;
  }
}

/** Field 22 of `/proc/<pid>/stat`; `undefined` when there is no such process or only its zombie. */
function startTime(pid: number): string | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'latin1');
    // The second field is the program's name, which may hold spaces and parentheses.
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    return fields[0] === 'Z' || fields[0] === 'X' ? undefined : fields[19];
  } catch {
    return undefined;
  }
}
