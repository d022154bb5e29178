import { describe, expect, it } from 'vitest';

import { allowedDisruption, disruptionBetween } from './disruption.ts';

const template = {
  machineType: 'e2-small',
  metadata: { items: [{ key: 'a', value: '1' }] },
  disks: [{ boot: true, initializeParams: { sourceImage: 'global/images/web-1' } }],
};

describe('the disruption between two templates', () => {
  it.each([
    ['NONE', {}],
    ['REFRESH', { metadata: { items: [] } }],
    ['RESTART', { machineType: 'e2-medium', metadata: {} }],
    ['REPLACE', { disks: [], machineType: 'e2-medium' }],
    ['REPLACE', { canIpForward: true }],
  ])('is %s', (disruption, change) => {
    expect(disruptionBetween(template, { ...template, ...change })).toBe(disruption);
  });

  it('is raised to the least wanted, and forbidden above the most allowed', () => {
    expect(allowedDisruption('NONE', 'REPLACE', 'REPLACE')).toBe('REPLACE');
    expect(allowedDisruption('RESTART', 'REFRESH', 'RESTART')).toBe('RESTART');
    expect(allowedDisruption('REPLACE', 'REFRESH', 'RESTART')).toBeUndefined();
  });
});
