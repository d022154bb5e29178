import { describe, expect, it } from 'vitest';

import { readVersions, sharesOf, shownVersions } from './versions.ts';

const resolve = (url: string) => `https://host/${url}`;
const canary = {
  versions: [
    { name: 'v1', instanceTemplate: 'one' },
    { name: 'canary', instanceTemplate: 'two', targetSize: { percent: 20 } },
  ],
};

function counts(size: number, versions = readVersions(canary, resolve) ?? []): number[] {
  return sharesOf(versions, size).map(({ count }) => count);
}

describe('the versions of a group', () => {
  it('are read with canonical templates, also the only one', () => {
    expect(readVersions(canary, resolve)).toEqual([
      { name: 'v1', template: 'https://host/one', share: undefined },
      { name: 'canary', template: 'https://host/two', share: { percent: 20 } },
    ]);
    expect(readVersions({ instanceTemplate: 'one' }, resolve)).toEqual([
      { name: '', template: 'https://host/one' },
    ]);
    expect(readVersions({}, resolve)).toBeUndefined();
  });

  it('share the size', () => {
    expect(counts(10)).toEqual([8, 2]);
    expect(counts(1)).toEqual([0, 1]);
    expect(counts(0)).toEqual([0, 0]);
    const fixed = [
      { name: '', template: 'a', share: { fixed: 5 } },
      { name: '', template: 'b' },
    ];
    expect(counts(3, fixed), 'no more than the size').toEqual([3, 0]);
  });

  it('are taken back as they are shown', () => {
    const versions = readVersions(canary, resolve) ?? [];
    const shown = shownVersions(versions, 10);
    expect(shown[0]?.['targetSize']).toEqual({ calculated: 8 });
    expect(readVersions({ versions: shown }, (url) => url)).toEqual(versions);
  });

  it.each([
    ['none has the rest', [{ instanceTemplate: 'a', targetSize: { fixed: 1 } }]],
    ['two have the rest', [{ instanceTemplate: 'a' }, { instanceTemplate: 'b' }]],
    ['there are three', ['a', 'b', 'c'].map((instanceTemplate) => ({ instanceTemplate }))],
    [
      'one is there twice',
      [{ instanceTemplate: 'a' }, { instanceTemplate: 'a', targetSize: { fixed: 1 } }],
    ],
    ['one has no template', [{ name: 'a' }]],
  ])('are refused when %s', (_, versions) => {
    expect(() => readVersions({ versions }, resolve)).toThrow(/version/);
  });
});
