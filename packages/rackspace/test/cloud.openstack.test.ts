import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, inject, it } from 'vitest';

const cloud = inject('openstack');

describe.skipIf(cloud.missing !== undefined)('the OpenStack of the tests', () => {
  it('answers, and keeps its files in a directory of its own', async () => {
    if (cloud.missing !== undefined) return;
    const response = await fetch(cloud.identity);
    expect(await response.json()).toMatchObject({ version: { status: 'stable' } });
    expect(await readdir(join(cloud.directory, 'nova'))).toContain('instances');
  });
});
