import { expect, it } from 'vitest';
import { summarize } from '../scripts/test-summary.mjs';

it.each([
  [
    'a green run',
    { numPassedTests: 7, numFailedTests: 0, numPendingTests: 2, numTodoTests: 1, success: true },
    { line: '7 passed, 0 failed, 3 skipped', ok: true },
  ],
  [
    'a failed test',
    { numPassedTests: 7, numFailedTests: 1, numPendingTests: 0, numTodoTests: 0, success: false },
    { line: '7 passed, 1 failed, 0 skipped', ok: false },
  ],
  [
    'a file that could not be run',
    { numPassedTests: 7, numFailedTests: 0, numPendingTests: 0, numTodoTests: 0, success: false },
    { line: '7 passed, 0 failed, 0 skipped', ok: false },
  ],
  [
    'only skipped tests',
    { numPassedTests: 0, numFailedTests: 0, numPendingTests: 3, numTodoTests: 0, success: true },
    { line: '0 passed, 0 failed, 3 skipped', ok: false },
  ],
  ['no report', undefined, { line: '0 passed, 0 failed, 0 skipped', ok: false }],
])('sums up %s', (_, report, expected) => {
  expect(summarize(report)).toEqual(expected);
});
