import { array, assert, constantFrom, oneof, property, string } from 'fast-check';
import { describe, expect, it } from 'vitest';

import { ApiError } from './errors.ts';
import { parseFilter } from './filter.ts';

const resource = {
  name: 'web-7',
  status: 'READY',
  diskSizeGb: '10',
  creationTimestamp: '2026-11-21T03:10:00.123-08:00',
  labels: { env: 'prod', team: '' },
  guestOsFeatures: [{ type: 'UEFI_COMPATIBLE' }, { type: 'GVNIC' }],
  shielded: { secureBoot: true },
  description: 'The web server',
};

describe('a filter', () => {
  it.each([
    ['name = web-7', true],
    ['name = "web-7"', true],
    ["name = 'web-7'", true],
    ['name=web', false],
    ['name = web-*', true],
    ['name != web-7', false],
    ['name != web-8', true],
    ['family = web', false],
    ['family != web', true],
    ['labels.env = prod', true],
    ['labels.env:*', true],
    ['labels.zone:*', false],
    ['labels.team:*', true],
    ['diskSizeGb > 9', true],
    ['diskSizeGb >= 11', false],
    ['diskSizeGb < 100', true],
    ['diskSizeGb <= 10', true],
    ['creationTimestamp > "2026-11-21T11:09:59Z"', true],
    ['creationTimestamp < "2026-11-21T11:09:59Z"', false],
    ['shielded.secureBoot = true', true],
    ['guestOsFeatures.type = GVNIC', true],
    ['guestOsFeatures.type != GVNIC', false],
    ['description:server', true],
    ['description:serv', false],
    ['name eq web-.*', true],
    ['name eq web', false],
    ['name ne web-.*', false],
    ['name ne web', true],
    ['(name = web-7) (status = READY)', true],
    ['(name = web-7) (status = FAILED)', false],
    ['name = web-7 AND status = FAILED', false],
    ['name = web-8 OR status = READY', true],
    ['(name = web-8 OR name = web-7) AND labels.env = prod', true],
    ['NOT status = READY', false],
    ['-status = FAILED', true],
    ['NOT (name = web-8 OR name = web-9)', true],
    ['name = "AND"', false],
  ])('%s: %s', (text, passes) => {
    expect(parseFilter(text)(resource)).toBe(passes);
  });

  it('is taken or refused, whatever is sent', () => {
    const word = constantFrom(
      '(',
      ')',
      'AND',
      'OR',
      'NOT',
      '-',
      '=',
      '!=',
      ':',
      '<',
      'eq',
      'ne',
      '*',
      '"',
      "'",
      '.',
      '[',
      'name',
      'labels.env',
      'web-7',
      '10',
      ' ',
    );
    const text = oneof(
      string(),
      array(word).map((words) => words.join(' ')),
    );
    assert(
      property(text, (expression) => {
        try {
          expect(typeof parseFilter(expression)(resource)).toBe('boolean');
        } catch (error) {
          if (!(error instanceof ApiError)) throw error;
        }
      }),
      { numRuns: 500 },
    );
  });

  it.each(['', 'name', 'name =', '= x', '(name = a', 'name = a)', 'name like a', '"unclosed'])(
    'refuses "%s"',
    (text) => {
      expect(() => parseFilter(text)).toThrow("field 'filter'");
    },
  );
});
