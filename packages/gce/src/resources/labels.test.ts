import { ImgkitError } from '@imgkit/core';
import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';

import {
  decodeLabelValue,
  encodeLabelValue,
  fromGceLabels,
  keyLabel,
  labelFilter,
  toGceLabels,
} from './labels.ts';

const digest = 'f'.repeat(63) + '0';
/** One character for the reader can be many bytes, and 20 are as many as fit. */
const fits = (value: string) => new TextEncoder().encode(value).length <= 20;

describe('a label’s value', () => {
  it('is taken as it is where Google takes it', () => {
    for (const value of ['', 'web-1', 'a_b', '0', '1795260913'])
      expect(encodeLabelValue(value, 'k')).toBe(value);
  });

  it('comes back as it was, whatever it is', () => {
    const values = fc.oneof(
      fc.string({ maxLength: 20 }),
      fc.string({ unit: 'grapheme', maxLength: 5 }).filter(fits),
      fc.stringMatching(/^--[ed]?[a-z0-9_-]{0,20}$/),
      fc.stringMatching(/^[0-9a-f]{64}$/),
      fc.stringMatching(/^\d{4}\.\d\d\.\d\d$/),
    );
    fc.assert(
      fc.property(values, (value) => {
        const encoded = encodeLabelValue(value, 'k');
        expect(encoded).toMatch(/^[a-z0-9_-]{0,63}$/);
        expect(decodeLabelValue(encoded)).toBe(value);
      }),
    );
  });

  it('is never the same for two values', () => {
    fc.assert(
      fc.property(fc.string({ maxLength: 18 }), fc.string({ maxLength: 18 }), (a, b) => {
        expect(encodeLabelValue(a, 'k') === encodeLabelValue(b, 'k')).toBe(a === b);
      }),
    );
  });

  it('of a digest of 64 digits fits', () => {
    expect(encodeLabelValue(digest, 'k').length).toBeLessThanOrEqual(63);
    expect(decodeLabelValue(encodeLabelValue(digest, 'k'))).toBe(digest);
  });

  it('that is too long is refused', () => {
    expect(() => encodeLabelValue('x'.repeat(64), 'k')).toThrow(/too long/);
    expect(() => encodeLabelValue('.'.repeat(30), 'k')).toThrow(/too long/);
  });
});

describe('labels', () => {
  it.for(['', 'Upper', '1st', 'a.b', 'x'.repeat(64), keyLabel])('refuses the key "%s"', (key) => {
    expect(() => toGceLabels({ [key]: 'x' })).toThrow(ImgkitError);
  });

  it('are at most 64, with our own', () => {
    const many = Object.fromEntries(Array.from({ length: 64 }, (_, index) => [`k${index}`, 'x']));
    expect(Object.keys(toGceLabels(many))).toHaveLength(64);
    expect(() => toGceLabels(many, { [keyLabel]: 'k' })).toThrow(/65 labels/);
  });

  it('are shown without our own', () => {
    const labels = toGceLabels({ version: '1.2' }, { [keyLabel]: 'k' });
    expect(labels[keyLabel]).toBe('k');
    expect(fromGceLabels(labels)).toEqual({ version: '1.2' });
  });

  it('are looked for as they are kept', () => {
    expect(labelFilter({ a: 'b', v: '1.2', e: '' })).toEqual([
      'labels.a="b"',
      `labels.v="${encodeLabelValue('1.2', 'v')}"`,
      'labels.e:*',
    ]);
  });
});
