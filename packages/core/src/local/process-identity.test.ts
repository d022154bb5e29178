import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { describe, expect, it } from 'vitest';
import { formatProcess, parseProcess, systemProcesses } from './process-identity.ts';

describe('systemProcesses', () => {
  it('knows that this process lives', () => {
    expect(systemProcesses.isAlive(systemProcesses.self())).toBe(true);
  });

  it.skipIf(process.platform !== 'linux')(
    'is not fooled by another process with the same number',
    () => {
      const self = systemProcesses.self();
      expect(systemProcesses.isAlive({ ...self, started: '1' })).toBe(false);
    },
  );

  it('cannot tell of another machine', () => {
    const self = systemProcesses.self();
    expect(systemProcesses.isAlive({ ...self, host: 'elsewhere' })).toBeUndefined();
  });

  it('sees a process die', async () => {
    const child = spawn(process.execPath, ['-e', 'setInterval(() => {}, 1000)']);
    await once(child, 'spawn');
    const identity = { ...systemProcesses.self(), pid: child.pid ?? 0, started: '' };
    expect(systemProcesses.isAlive(identity)).toBe(true);
    child.kill('SIGKILL');
    await once(child, 'exit');
    expect(systemProcesses.isAlive(identity)).toBe(false);
  });
});

describe('an identity as text', () => {
  it('is read as it was written', () => {
    const self = systemProcesses.self();
    expect(parseProcess(formatProcess(self))).toEqual(self);
    const unknown = { ...self, started: '' };
    expect(parseProcess(formatProcess(unknown))).toEqual(unknown);
  });

  it('can stand in the name of a file, and is the one that stores have in theirs', () => {
    expect(formatProcess(systemProcesses.self())).toMatch(/^\d+-\d+-[\da-f]{12}-\d+$/);
    expect(parseProcess('4711-1234567-0123456789ab-4026531836')).toEqual({
      pid: 4711,
      started: '1234567',
      host: '0123456789ab-4026531836',
    });
  });

  it('is none when it is something else', () => {
    for (const text of ['', 'nonsense', '1-2-3', '1-2-xyz-4', '1-2-ab-4-5'])
      expect(parseProcess(text)).toBeUndefined();
  });
});
