import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { createImgkit } from './imgkit.ts';
import { memory, memoryCloud } from './testing/index.ts';

const directory = await mkdtemp(join(tmpdir(), 'imgkit-kit-'));
afterAll(() => rm(directory, { recursive: true, force: true }));

describe('createImgkit', () => {
  it('loads providers side by side and closes everything', async () => {
    const cloud = memoryCloud();
    await using kit = await createImgkit({
      providers: [memory({ name: 'prod', cloud }), memory({ name: 'lab', cloud, project: 'b' })],
      stateDirectory: directory,
    });
    expect(kit.providers.names()).toEqual(['prod', 'lab']);
    expect(kit.owner).toMatch(/^[a-z0-9-]+$/);
  });
});
