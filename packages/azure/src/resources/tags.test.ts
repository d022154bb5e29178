import { describe, expect, it } from 'vitest';

import { changedLabels, fromTags, readOwn, toTags } from './tags.ts';

describe('tags', () => {
  it('keep labels and what the adapter adds apart', () => {
    const tags = toTags(
      { team: 'web', Empty: '' },
      { name: 'web-1', key: 'k', version: undefined },
    );
    expect(tags).toEqual({ team: 'web', Empty: '', 'imgkit-name': 'web-1', 'imgkit-key': 'k' });
    expect(fromTags(tags)).toEqual({ team: 'web', Empty: '' });
    expect(readOwn({ 'IMGKIT-Name': 'web-1' })).toMatchObject({ name: 'web-1', key: undefined });
  });

  it.each([
    [{ '': 'x' }],
    [{ 'a/b': 'x' }],
    [{ 'azure-team': 'x' }],
    [{ team: 'x'.repeat(257) }],
    [{ 'Imgkit-Key': 'x' }],
    [{ team: 'a', TEAM: 'b' }],
    [Object.fromEntries(Array.from({ length: 51 }, (_, index) => [`t${index}`, 'x']))],
  ])('refuse %j', (labels) => {
    expect(() => toTags(labels)).toThrow(expect.objectContaining({ code: 'INVALID_ARGUMENT' }));
  });

  it('have room for a description of 256 characters', () => {
    expect(() => toTags({}, { description: 'x'.repeat(256) })).not.toThrow();
    expect(() => toTags({}, { description: 'x'.repeat(257) })).toThrow('description');
  });

  it('change label by label, whatever the case of their keys', () => {
    expect(changedLabels({ a: '1', b: '2' }, { A: '3', b: null, c: '4' })).toEqual({
      A: '3',
      c: '4',
    });
  });
});
