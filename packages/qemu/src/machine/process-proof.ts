import { execFile } from 'node:child_process';
import { readdir, readFile, readlink, realpath } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { promisify } from 'node:util';
import { machineFiles } from './command-line.ts';

/**
 * Finds the process that runs the machine with `uuid`, proved by its command line: a process id
 * alone may since belong to somebody else, who must never be killed.
 *
 * With `thorough`, every process of the host is looked at, which also finds a QEMU that was
 * started but has not yet written its process id.
 */
export async function findProcess(
  directory: string,
  uuid: string,
  { thorough = false }: { readonly thorough?: boolean } = {},
): Promise<number | undefined> {
  const pid = await recordedPid(directory);
  if (pid !== undefined && (await isMachine(pid, uuid))) return pid;
  if (!thorough || process.platform !== 'linux') return undefined;
  for (const name of await readdir('/proc')) {
    if (/^\d+$/.test(name) && (await isMachine(Number(name), uuid))) return Number(name);
  }
  return undefined;
}

/** Whether the process `pid` is alive and runs the machine with `uuid`. */
export async function isMachine(pid: number, uuid: string): Promise<boolean> {
  const words = await commandOf(pid);
  const at = words.indexOf('-uuid');
  return at > 0 && words[at + 1] === uuid;
}

/**
 * Kills the QEMU that works in `directory`, where nothing else tells which it is; done when it has ended.
 *
 * @returns Whether that could be found out: not on every system.
 */
export async function endProcessesIn(directory: string): Promise<boolean> {
  if (process.platform !== 'linux') return false;
  const path = await realpath(directory);
  for (const name of await readdir('/proc')) {
    const works = async (): Promise<boolean> =>
      (await readlink(`/proc/${name}/cwd`).catch(() => '')) === path &&
      (await commandOf(Number(name))).includes('-uuid');
    if (!/^\d+$/.test(name) || !(await works())) continue;
    process.kill(Number(name), 'SIGKILL');
    for (let waitedMs = 0; await works(); waitedMs += 20) {
      if (waitedMs > 10_000) return false;
      await delay(20);
    }
  }
  return true;
}

async function recordedPid(directory: string): Promise<number | undefined> {
  const text = await readFile(join(directory, machineFiles.pid), 'utf8').catch(() => '');
  return /^\d+\s*$/.test(text) ? Number(text) : undefined;
}

// A process that has ended but was not yet waited for has an empty command line: not alive.
async function commandOf(pid: number): Promise<string[]> {
  if (process.platform === 'linux') {
    return (await readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '')).split('\0');
  }
  const listing = await promisify(execFile)('ps', ['-o', 'command=', '-p', String(pid)]).catch(
    () => ({ stdout: '' }),
  );
  return listing.stdout.trim().split(' ');
}
