import { describe, expect, it } from 'vitest';

import { findMachineType, machineTypes } from './machine-types.ts';

describe('machine types', () => {
  it('are found by name, custom ones by their numbers', () => {
    expect(findMachineType('e2-small')).toMatchObject({ cpus: 2, memoryMb: 2048, shared: true });
    expect(findMachineType('n2-standard-8')).toMatchObject({ cpus: 8, memoryMb: 32_768 });
    expect(findMachineType('n2-custom-4-5120')).toMatchObject({ cpus: 4, memoryMb: 5120 });
    expect(findMachineType('custom-1-1024')).toMatchObject({ cpus: 1, memoryMb: 1024 });
    expect(findMachineType('t2a-standard-1')?.architecture).toBe('ARM64');
  });

  it.each(['e2-huge', 'custom-3-1024', 'n2-custom-2-1000', 'custom-0-1024', ''])(
    'are not found by "%s"',
    (name) => expect(findMachineType(name)).toBeUndefined(),
  );

  it('have names of their own', () => {
    expect(new Set(machineTypes.map(({ name }) => name)).size).toBe(machineTypes.length);
  });
});
