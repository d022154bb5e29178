import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';

import { expect, onTestFinished } from 'vitest';

/** Runs a program of the tests in a process of its own, and kills that when it has come so far. */
export async function killedProgram(
  name: string,
  args: readonly string[],
  reached: Promise<void>,
): Promise<void> {
  const program = fileURLToPath(new URL(name, import.meta.url));
  const flags = ['--no-warnings', '--experimental-strip-types', '--conditions=@imgkit/source'];
  const child = spawn(process.execPath, [...flags, program, ...args], {
    stdio: ['ignore', 'ignore', 'inherit'],
  });
  onTestFinished(() => void child.kill('SIGKILL'));
  const exit = once(child, 'exit');
  await Promise.race([reached, exit]);
  child.kill('SIGKILL');
  const [, signal]: unknown[] = await exit;
  expect(signal).toBe('SIGKILL');
}
