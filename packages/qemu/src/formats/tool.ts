import { spawn } from 'node:child_process';

import { systemCode, throwIfAborted, toolError, toolMissing } from '../errors.ts';

/** How a tool is run. */
export interface ToolOptions {
  /** Kills the tool; the call then waits for its end and throws `CANCELLED`. */
  readonly signal?: AbortSignal | undefined;
  /** Called with each piece of stdout; without it, stdout is the result. */
  readonly onOutput?: ((text: string) => void) | undefined;
  /** Exit codes that are not errors; 0 unless told. */
  readonly exitCodes?: readonly number[] | undefined;
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
  const { signal, onOutput, exitCodes = [0] } = options;
  const operation = `${tool} ${args[0] ?? ''}`;
  throwIfAborted(signal, operation);
  const child = spawn(tool, args, {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...process.env, LC_ALL: 'C' },
  });
  const kill = (): void => void child.kill('SIGKILL');
  signal?.addEventListener('abort', kill, { once: true });
  let stdout = '';
  let stderr = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    if (onOutput !== undefined) onOutput(text);
    else if (stdout.length < maxCaptured) stdout += text;
  });
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    stderr = (stderr + text).slice(-maxErrorText);
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
    signal?.removeEventListener('abort', kill);
  }
}
