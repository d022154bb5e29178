import { describe, expect, it } from 'vitest';
import { nearest, nearNames } from './near-names.ts';

const names = ['web-server', 'web-proxy', 'db', 'cache'];

describe('near names', () => {
  it.each([
    ['web-sever', ['web-server']],
    ['web', ['web-proxy', 'web-server']],
    ['DB', ['db']],
    ['bd', []],
    ['zzz', []],
  ])('of "%s" are %j', (name, expected) => {
    expect(nearNames(name, names)).toEqual(expected);
  });

  it('has the nearest first', () => {
    expect(nearest('cach', ['cachet', 'cache'])).toBe('cache');
    expect(nearest('zzz', names)).toBeUndefined();
  });
});
