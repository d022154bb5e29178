import { ownershipLabels } from '@imgkit/core';
import { describe, expect, it } from 'vitest';

import { labelsOfName, ownedName } from './ownership.ts';

const labels = {
  [ownershipLabels.owner]: 'i2e025fc116e16e92',
  [ownershipLabels.run]: 'bake-app-1',
  [ownershipLabels.expires]: '1795958049',
  [ownershipLabels.step]: 'launch builder',
};

describe('a name that says who owns a thing', () => {
  it('holds the labels of ownership, in what names of key pairs may have', () => {
    const name = ownedName({ ...labels, other: 'x' }, 'c362b3576edcfb4d');
    expect(name).toMatch(/^[\w-]{1,255}$/);
    expect(labelsOfName(name)).toEqual(labels);
  });

  it('leaves the last labels out when they are too long', () => {
    const name = ownedName({ ...labels, [ownershipLabels.step]: 'x'.repeat(300) }, 'c3');
    expect(name.length).toBeLessThanOrEqual(255);
    const { [ownershipLabels.step]: _, ...others } = labels;
    expect(labelsOfName(name)).toEqual(others);
  });

  it.each(['', 'mykey', 'imgkit-owned-c3-', 'imgkit-owned-c3-e30', 'imgkit-owned-c3-!!'])(
    'is nothing that "%s" is',
    (name) => {
      expect(labelsOfName(name)).toBeUndefined();
    },
  );
});
