import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';

import { reseedProgram } from './reseed-program.ts';

const runs = process.platform === 'linux' && process.arch === 'x64';
if (!runs)
  console.log('skipped: running the program that draws a new key, which is for Linux on x86');

describe('reseedProgram', () => {
  it.skipIf(!runs)('makes the call, which only root may', () => {
    const directory = mkdtempSync(join(tmpdir(), 'imgkit-reseed-'));
    try {
      const file = join(directory, 'reseed');
      writeFileSync(file, reseedProgram(), { mode: 0o700 });
      const { status, error } = spawnSync(file);
      expect(error).toBeUndefined();
      const permitted = process.getuid?.() === 0 ? [0, 1] : [1]; // 1: EPERM, in a container also for root
      expect(permitted).toContain(status);
    } finally {
      rmSync(directory, { recursive: true });
    }
  });
});
