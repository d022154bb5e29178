import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { promisify } from 'node:util';
import { describe, expect, it } from 'vitest';

const run = promisify(execFile);
const example = new URL('../examples/golden-image/', import.meta.url);
const built = existsSync(new URL('../packages/bake/dist/index.js', import.meta.url));

/** Runs the example, and gives its end, whether it is a good one or not. */
async function start(...args: readonly string[]) {
  try {
    const { stdout, stderr } = await run('node', ['src/main.ts', ...args], { cwd: example });
    return { code: 0, stdout, stderr };
  } catch (error) {
    const failure = { code: -1, stdout: '', stderr: '' };
    return Object.assign(failure, error);
  }
}

describe.skipIf(!built)('the command line of the golden image example', () => {
  it('explains itself', async () => {
    const { code, stdout } = await start('--help');
    expect({ code, stdout }).toMatchObject({ code: 0, stdout: expect.stringContaining('--clean') });
  });

  it('refuses an unknown option, and says which there are', async () => {
    const { code, stderr } = await start('--colour');
    expect(code).toBe(2);
    expect(stderr).toMatch(/Unknown option '--colour'[\s\S]*--verbose/u);
  });
});

it.skipIf(built)('skips the examples: run "npx -y pnpm@12.21.0 build" first', () => {
  expect(built).toBe(false);
});
