import { spawn } from 'node:child_process';
import { join } from 'node:path';

/** What both sides bake, and with what. */
export interface Work {
  /** The base image: a qcow2 file, and its SHA-256. */
  readonly base: { readonly path: string; readonly sha256: string };
  /** The archive that both upload. */
  readonly archive: string;
  readonly cpus: number;
  readonly memoryMib: number;
}

/** The directory of the scripts that both run. */
export const scripts = join(import.meta.dirname);

/** Runs a program to its end; what it printed is in the error when it fails. */
export async function run(
  program: string,
  args: readonly string[],
  options: { readonly cwd?: string; readonly env?: Readonly<Record<string, string>> } = {},
): Promise<string> {
  const child = spawn(program, args, {
    cwd: options.cwd,
    env: { ...process.env, ...options.env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let output = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => (output += text));
  child.stderr.setEncoding('utf8').on('data', (text: string) => (output += text));
  const code = await new Promise<number | null>((resolve, reject) => {
    child.once('error', reject);
    child.once('close', resolve);
  });
  if (code !== 0) throw new Error(`${program} ended with ${code}:\n${output.slice(-4000)}`);
  return output;
}

/** How long `action` takes, in seconds. */
export async function seconds(action: () => Promise<unknown>): Promise<number> {
  const start = performance.now();
  await action();
  return (performance.now() - start) / 1000;
}
