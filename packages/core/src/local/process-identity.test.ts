import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { describe, expect, it } from 'vitest';
import { systemProcesses } from './process-identity.ts';

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
