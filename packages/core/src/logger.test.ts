import { afterEach, describe, expect, it, vi } from 'vitest';
import { consoleLogger, silentLogger } from './logger.ts';

const lines: string[] = [];
afterEach(() => {
  vi.restoreAllMocks();
  lines.length = 0;
});

function listen(): void {
  vi.spyOn(process.stderr, 'write').mockImplementation((text) => lines.push(String(text)) > 0);
}

describe('consoleLogger', () => {
  it('writes what matters enough, one line each, to standard error', () => {
    listen();
    const logger = consoleLogger({ level: 'warn' });
    logger.info('quiet');
    logger.warn('watch out', { count: 2, name: 'web', error: new Error('no') });
    const circle: Record<string, unknown> = {};
    circle['self'] = circle;
    logger.error('bad', { circle });
    expect(lines).toEqual([
      'warn  watch out count=2 name=web error=no\n',
      'error bad circle=[object Object]\n',
    ]);
  });

  it('writes nothing when silent', () => {
    listen();
    for (const level of ['debug', 'info', 'warn', 'error'] as const) silentLogger[level]('x');
    expect(lines).toEqual([]);
  });
});
