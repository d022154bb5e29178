import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, it, vi } from 'vitest';
import { describeEngine } from '../testing/engine-conformance.ts';
import { embeddedEngines } from './embedded-engine.fixture.ts';

const directory = mkdtempSync(join(tmpdir(), 'imgkit-engine-'));
afterAll(() => rmSync(directory, { recursive: true, force: true }));

// Some checks crash the engine a hundred times, and other tests go on beside.
vi.setConfig({ testTimeout: 60_000 });

describe('embeddedEngine', () => {
  describeEngine({
    it,
    describe,
    createEngine: embeddedEngines(directory),
  });
});
