import { spawn } from 'node:child_process';
import { delimiter } from 'node:path';

import { throwIfAborted } from '../../plugin/operation.ts';

import { systemCode, toolError, toolMissing } from '../system-errors.ts';

/** The PATH of this process, with the directories of the administrator's tools, which work for anyone. */
export function searchPath(): readonly string[] {
  const path = (process.env['PATH'] ?? '').split(delimiter).filter((entry) => entry !== '');
  return [...new Set([...path, '/usr/local/sbin', '/usr/sbin', '/sbin'])];
}

/** How a tool is run. */
export interface ToolOptions {
  /** Kills the tool; the call then waits for its end and throws `CANCELLED`. */
  readonly signal?: AbortSignal | undefined;
  /** Called with each piece of stdout; without it, stdout is the result. */
  readonly onOutput?: ((text: string) => void) | undefined;
  /** Exit codes that are not errors; 0 unless told. */
  readonly exitCodes?: readonly number[] | undefined;
  /** Called with each piece of stderr, beside its being kept for the error. */
  readonly onErrorOutput?: ((text: string) => void) | undefined;
  /** The directory it runs in; ours without it. */
  readonly cwd?: string | undefined;
  /** Variables beside ours. */
  readonly environment?: Readonly<Record<string, string>> | undefined;
  /** Asks a stopped tool to end by itself first, and kills it after this many milliseconds. */
  readonly graceMs?: number | undefined;
}

const maxCaptured = 64 * 1024 * 1024;
const maxErrorText = 16 * 1024;

/**
 * Runs a command-line tool without a shell and gives its stdout.
 *
 * The tool has ended when this settles, so nothing is written behind the caller's back.
 */
export async function runTool(
  tool: string,
  args: readonly string[],
  options: ToolOptions = {},
): Promise<string> {
  const { signal, onOutput, onErrorOutput, exitCodes = [0], cwd, graceMs } = options;
  const operation = `${tool} ${args[0] ?? ''}`;
  throwIfAborted(signal, operation);
  const child = spawn(tool, args, {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: {
      ...process.env,
      PATH: searchPath().join(delimiter),
      LC_ALL: 'C',
      ...options.environment,
    },
    cwd,
  });
  let grace: NodeJS.Timeout | undefined;
  const kill = (): void => {
    child.kill(graceMs === undefined ? 'SIGKILL' : 'SIGTERM');
    if (graceMs !== undefined) grace = setTimeout(() => child.kill('SIGKILL'), graceMs);
  };
  signal?.addEventListener('abort', kill, { once: true });
  let stdout = '';
  let stderr = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    if (onOutput !== undefined) onOutput(text);
    else if (stdout.length < maxCaptured) stdout += text;
  });
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    stderr = (stderr + text).slice(-maxErrorText);
    onErrorOutput?.(text);
  });
  try {
    const end = await new Promise<{ exitCode: number | null; signal: string | null }>(
      (resolve, reject) => {
        child.once('error', reject);
        child.once('close', (exitCode, killedBy) => resolve({ exitCode, signal: killedBy }));
      },
    );
    if (end.exitCode !== null && exitCodes.includes(end.exitCode)) return stdout;
    throwIfAborted(signal, operation);
    throw toolError(tool, args, { ...end, stderr });
  } catch (error) {
    if (systemCode(error) === 'ENOENT') throw toolMissing(tool, error);
    throw error;
  } finally {
    clearTimeout(grace);
    signal?.removeEventListener('abort', kill);
  }
}
