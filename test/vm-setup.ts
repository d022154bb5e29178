import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestProject } from 'vitest/node';

declare module 'vitest' {
  interface ProvidedContext {
    /** A directory for what the tests with machines share; it is removed after the last of them. Read it with `inject`. */
    vmDirectory: string;
  }
}

/** Runs once, before the first test with a machine and only if there is one. */
export async function setup(project: TestProject): Promise<() => Promise<void>> {
  const directory = await mkdtemp(join(tmpdir(), 'imgkit-vm-'));
  project.provide('vmDirectory', directory);
  return () => rm(directory, { recursive: true, force: true });
}
