import { spawn } from 'node:child_process';
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, inject, it } from 'vitest';
import { root } from './support/repository.ts';

const minute = 60_000;

describe('the examples', () => {
  it('are all run here', async () => {
    expect(await readdir(join(root, 'examples'))).toEqual(['golden-image']);
  });

  it(
    'golden-image: bakes, publishes, deprecates, shares and boots; the second time it uses what stands',
    async ({ skip }) => {
      const { missing } = inject('tinyBase');
      skip(missing !== undefined, missing);
      const home = join(inject('vmDirectory'), 'golden-image');
      const program = join(root, 'examples/golden-image/src/main.ts');

      const first = await run(program, home);
      expect(first.code, first.output).toBe(0);
      expect(first.output).toMatch(/^web-1 +1 +DEPRECATED +web-2 /m);
      expect(first.output).toMatch(/^web-2 +2 +ACTIVE /m);
      expect(first.output).toContain('forUse warns: ');
      expect(first.output).not.toContain('(reused)');
      expect(await processesOf(home)).toEqual([]);

      const second = await run(program, home);
      expect(second.code, second.output).toBe(0);
      expect(second.output.match(/\(reused\)/g)).toHaveLength(2);
      expect(second.output).toMatch(/^web-1 +1 +DEPRECATED +web-2 /m);
      expect(await processesOf(home)).toEqual([]);
    },
    20 * minute,
  );
});

/** Runs an example against the packages' builds, as its user would, with a home of its own. */
async function run(program: string, home: string): Promise<{ code: number; output: string }> {
  const child = spawn(process.execPath, [program], {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: {
      ...process.env,
      NODE_OPTIONS: '',
      IMGKIT_HOME: join(home, 'state'),
      IMGKIT_QEMU_HOME: join(home, 'qemu'),
    },
  });
  let output = '';
  const collect = (chunk: unknown): void => void (output += String(chunk));
  child.stdout.on('data', collect);
  child.stderr.on('data', collect);
  const { promise, resolve, reject } = Promise.withResolvers<number>();
  child.once('error', reject);
  child.once('close', (code) => resolve(code ?? -1));
  return { code: await promise, output };
}

/** The command lines of the processes that work in a directory. */
async function processesOf(directory: string): Promise<string[]> {
  const ids = (await readdir('/proc')).filter((name) => /^\d+$/.test(name));
  const lines = await Promise.all(
    ids.map((id) => readFile(`/proc/${id}/cmdline`, 'utf8').catch(() => '')),
  );
  return lines.map((line) => line.replaceAll('\0', ' ')).filter((line) => line.includes(directory));
}
