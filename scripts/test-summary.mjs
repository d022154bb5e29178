// @ts-check
// Prints `N passed, N failed, N skipped` from vitest's JSON report, and exits with 1 when a test failed,
// a test file could not be run, or no test ran at all: a green run without tests proves nothing.
import { readFileSync, realpathSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

/**
 * @param {unknown} report The parsed report.
 * @returns {{ line: string, ok: boolean }}
 */
export function summarize(report) {
  const passed = count(report, 'numPassedTests');
  const failed = count(report, 'numFailedTests');
  const skipped = count(report, 'numPendingTests') + count(report, 'numTodoTests');
  return {
    line: `${passed} passed, ${failed} failed, ${skipped} skipped`,
    ok: passed > 0 && failed === 0 && field(report, 'success') === true,
  };
}

/** @type {(report: unknown, name: string) => number} */
function count(report, name) {
  const value = field(report, name);
  return typeof value === 'number' ? value : 0;
}

/** @type {(report: unknown, name: string) => unknown} */
function field(report, name) {
  return typeof report === 'object' && report !== null ? Reflect.get(report, name) : undefined;
}

/** @type {(path: string) => unknown} */
function read(path) {
  try {
    return JSON.parse(readFileSync(path, 'utf8'));
  } catch (error) {
    console.error(`no test results in ${path}: ${String(error)}`);
    return undefined;
  }
}

const [, script, path = 'reports/vitest.json'] = process.argv;
if (script !== undefined && realpathSync(script) === fileURLToPath(import.meta.url)) {
  const { line, ok } = summarize(read(path));
  console.log(line);
  process.exitCode = ok ? 0 : 1;
}
