import { describe, expect, it } from 'vitest';

import { requirePrograms } from './programs.ts';

describe('requirePrograms', () => {
  it('finds programs wherever they are', async () => {
    const found = await requirePrograms(['tar'], { path: ['/nowhere', '/bin'], isRoot: true });
    expect(found.get('tar')).toBe('/bin/tar');
  });

  it('names all that are missing, and one line that installs them', async () => {
    const wanted = ['dropbear', 'dropbearkey', 'mmdebstrap'] as const;
    const nothing = { path: ['/nowhere'], isRoot: false };
    await expect(requirePrograms(wanted, nothing)).rejects.toMatchObject({
      code: 'FAILED_PRECONDITION',
      message: 'base images need dropbear, dropbearkey, mmdebstrap',
      hint: 'Install what is missing: sudo apt-get install -y --no-install-recommends dropbear-bin mmdebstrap',
    });
    await expect(requirePrograms(wanted, { ...nothing, isRoot: true })).rejects.toMatchObject({
      hint: expect.not.stringContaining('sudo'),
    });
  });
});
