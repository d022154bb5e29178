import { execFile } from 'node:child_process';
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
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
