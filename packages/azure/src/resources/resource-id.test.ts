import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';

import { regionName, sameRegion } from './regions.ts';
import {
  formatId,
  parseIdOf,
  parseResourceId,
  plainId,
  sameId,
  type ResourceId,
} from './resource-id.ts';

const version =
  '/subscriptions/0f1e/resourceGroups/Images/providers/Microsoft.Compute/galleries/golden/images/web/versions/1.0.0';
const name = fc.stringMatching(/^[A-Za-z0-9][A-Za-z0-9._-]{0,12}$/);
/** A text with each letter in a case of its own. */
const recased = (text: string) =>
  fc.array(fc.boolean(), { minLength: text.length, maxLength: text.length }).map((upper) =>
    Array.from(text)
      .map((letter, at) => (upper[at] ? letter.toUpperCase() : letter.toLowerCase()))
      .join(''),
  );
const types = fc.constantFrom(
  'Microsoft.Compute/disks' as const,
  'Microsoft.Compute/galleries' as const,
  'Microsoft.Compute/galleries/images' as const,
  'Microsoft.Compute/galleries/images/versions' as const,
  'Microsoft.Compute/snapshots' as const,
);
const ids = types.chain((type) => {
  const depth = type.split('/').length - 1;
  return fc
    .record({
      subscription: name,
      resourceGroup: name,
      names: fc.array(name, { minLength: depth, maxLength: depth }),
    })
    .map((parts): ResourceId => Object.assign(parts, { type }));
});

describe('an id of Azure', () => {
  it('is taken apart and put together', () => {
    fc.assert(
      fc.property(ids, (parts) => {
        expect(parseResourceId(formatId(parts))).toEqual(parts);
      }),
    );
  });

  it('is the same in every case and form', () => {
    const variants = ids.chain((parts) =>
      recased(formatId(parts)).map((other) => [parts, other] as const),
    );
    fc.assert(
      fc.property(
        variants,
        fc.constantFrom('', 'https://management.azure.com'),
        ([parts, other], server) => {
          expect(sameId(formatId(parts), `${server}${other}`)).toBe(true);
          expect(parseIdOf(parts.type, other)?.type).toBe(parts.type);
        },
      ),
    );
  });

  it('is another one when anything but its case differs', () => {
    fc.assert(
      fc.property(ids, ids, (one, other) => {
        const same = formatId(one).toLowerCase() === formatId(other).toLowerCase();
        expect(sameId(formatId(one), formatId(other))).toBe(same);
      }),
    );
  });

  it('is found only where it is one', () => {
    expect(parseIdOf('Microsoft.Compute/galleries/images', version)).toBeUndefined();
    for (const text of [
      '',
      'web',
      '/subscriptions/a',
      version.replace('/versions/1.0.0', '/versions'),
      version.replace('Compute', 'Network'),
    ])
      expect(parseResourceId(text)).toBeUndefined();
    expect(plainId('web')).toBe('web');
    expect(plainId(version.toUpperCase())).toContain(
      '/resourceGroups/IMAGES/providers/Microsoft.Compute/galleries/',
    );
  });
});

describe('a region', () => {
  it('is the same however it is written', () => {
    expect(regionName('East US 2')).toBe('eastus2');
    expect(sameRegion('EASTUS2', 'East US 2')).toBe(true);
    expect(sameRegion('eastus', 'eastus2')).toBe(false);
  });
});
