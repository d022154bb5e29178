import { ImgkitError } from '@imgkit/core';
import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';

import { machineTypeName } from './machine-type.ts';

const gib = 2 ** 30;

describe('a machine type', () => {
  it('is the one that was named, also by its URL', () => {
    expect(machineTypeName('n2-standard-8')).toBe('n2-standard-8');
    expect(machineTypeName('zones/us-central1-a/machineTypes/c3-highcpu-4')).toBe('c3-highcpu-4');
  });

  it.each([
    [undefined, 'e2-medium'],
    [{ cpus: 1, memoryBytes: gib / 2 }, 'e2-medium'],
    [{ cpus: 2, memoryBytes: 8 * gib }, 'e2-standard-2'],
    [{ cpus: 2, memoryBytes: 2 * gib }, 'e2-highcpu-2'],
    [{ cpus: 1, memoryBytes: 6 * gib }, 'e2-custom-2-6144'],
    [{ cpus: 3, memoryBytes: 5 * gib + 1 }, 'e2-custom-4-5376'],
    [{ cpus: 2, memoryBytes: 20 * gib }, 'e2-custom-4-20480'],
    [{ cpus: 8, memoryBytes: gib }, 'e2-custom-8-4096'],
    [{ cpus: 34, memoryBytes: 64 * gib }, 'n2-custom-36-65536'],
    [{ cpus: 4, memoryBytes: 200 * gib }, 'n2-custom-26-204800'],
  ])('for %o is %s', (wish, name) => {
    expect(machineTypeName(wish)).toBe(name);
  });

  it('is one of ARM for images of ARM', () => {
    expect(machineTypeName(undefined, 'arm64')).toBe('t2a-standard-1');
    expect(machineTypeName({ cpus: 3, memoryBytes: 9 * gib }, 'arm64')).toBe('t2a-standard-4');
  });

  it.each([
    { cpus: 200, memoryBytes: gib },
    { cpus: 2, memoryBytes: 2000 * gib },
    { cpus: 0, memoryBytes: gib },
    { cpus: 1.5, memoryBytes: gib },
    { cpus: 2, memoryBytes: Number.NaN },
  ])('isn’t found for %o', (wish) => {
    expect(() => machineTypeName(wish)).toThrow(
      expect.toSatisfy((error) => ImgkitError.is(error, 'INVALID_ARGUMENT')),
    );
  });

  it('has what was asked for and keeps Google’s rules, when it is a custom one', () => {
    const wish = fc.record({
      cpus: fc.integer({ min: 1, max: 80 }),
      memoryBytes: fc.integer({ min: 1, max: 640 }).map((size) => size * gib + 1 - gib),
    });
    fc.assert(
      fc.property(wish, ({ cpus, memoryBytes }) => {
        const [, series, count, memory] =
          /^(e2|n2)-custom-(\d+)-(\d+)$/.exec(machineTypeName({ cpus, memoryBytes })) ?? [];
        fc.pre(series !== undefined);
        const [vcpus, mb] = [Number(count), Number(memory)];
        expect(vcpus).toBeGreaterThanOrEqual(cpus);
        expect(mb * 2 ** 20).toBeGreaterThanOrEqual(memoryBytes);
        expect(vcpus % (vcpus > 32 ? 4 : 2)).toBe(0);
        expect(mb % 256).toBe(0);
        expect(mb / vcpus).toBeGreaterThanOrEqual(512);
        expect(mb / vcpus).toBeLessThanOrEqual(8192);
        expect(vcpus).toBeLessThanOrEqual(series === 'e2' ? 32 : 80);
      }),
    );
  });
});
