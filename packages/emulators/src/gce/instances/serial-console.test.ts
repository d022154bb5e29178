import { describe, expect, it } from 'vitest';

import { serialOutput } from './serial-console.ts';

describe('serial port output', () => {
  it('goes on where the last answer ended', () => {
    const first = serialOutput('booting\n');
    expect(first).toEqual({ contents: 'booting\n', start: 0, next: 8 });
    expect(serialOutput('booting\nlogin: ', first.next)).toEqual({
      contents: 'login: ',
      start: 8,
      next: 15,
    });
    expect(serialOutput('booting\n', 100)).toEqual({ contents: '', start: 8, next: 8 });
  });

  it('counts a negative position from the end', () => {
    expect(serialOutput('booting\n', -4)).toEqual({ contents: 'ing\n', start: 4, next: 8 });
    expect(serialOutput('up\n', -10).start).toBe(0);
  });

  it('has only the last megabyte', () => {
    const { contents, start } = serialOutput('a'.repeat(2 ** 20) + 'b'.repeat(100));
    expect(start).toBe(100);
    expect(contents).toHaveLength(2 ** 20);
  });
});
