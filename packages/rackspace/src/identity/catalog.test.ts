import { describe, expect, it } from 'vitest';

import { findEndpoint, type CatalogEndpoint } from './catalog.ts';

const catalog: readonly CatalogEndpoint[] = [
  entry('compute', 'cloudServers', undefined, 'public', 'https://old.test'),
  entry('compute', 'cloudServersOpenStack', 'DFW', 'public', 'https://dfw.test/v2/1/'),
  entry('compute', 'cloudServersOpenStack', 'IAD', 'public', 'https://iad.test/v2/1'),
  entry('compute', 'cloudServersOpenStack', 'IAD', 'internal', 'https://inside.test/v2/1'),
];

function entry(
  type: string,
  name: string,
  region: string | undefined,
  face: string,
  url: string,
): CatalogEndpoint {
  return { type, name, region, interface: face, url };
}

const query = { type: 'compute', name: 'cloudServersOpenStack', interface: 'public' } as const;
const find = (change: object) => () => findEndpoint(catalog, { ...query, ...change });

describe('the address of a service', () => {
  it('is found by type, name, region and interface', () => {
    expect(findEndpoint(catalog, { ...query, region: 'dfw' })).toBe('https://dfw.test/v2/1');
    expect(findEndpoint(catalog, { ...query, region: 'IAD' })).toBe('https://iad.test/v2/1');
    expect(findEndpoint(catalog, { ...query, region: 'IAD', interface: 'internal' })).toBe(
      'https://inside.test/v2/1',
    );
  });

  it('is refused with what there is', () => {
    expect(find({ region: 'LON' })).toThrow(
      expect.objectContaining({
        code: 'FAILED_PRECONDITION',
        message:
          'the catalogue has no public address of a compute service "cloudServersOpenStack" in region LON',
        hint: expect.stringContaining('compute (cloudServersOpenStack) public in DFW'),
      }),
    );
    expect(find({})).toThrow(
      expect.objectContaining({ hint: 'Say in which of them you work: DFW, IAD.' }),
    );
    expect(() => findEndpoint([], query)).toThrow(
      expect.objectContaining({ hint: 'It has nothing.' }),
    );
  });
});
