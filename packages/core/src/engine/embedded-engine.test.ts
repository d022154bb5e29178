import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, it } from 'vitest';
import { describeEngine } from '../testing/engine-conformance.ts';
import { embeddedEngines } from './embedded-engine.fixture.ts';

const directory = mkdtempSync(join(tmpdir(), 'imgkit-engine-'));
afterAll(() => rmSync(directory, { recursive: true, force: true }));

describe('embeddedEngine', () => {
  describeEngine({ it, describe, createEngine: embeddedEngines(directory) });
});
