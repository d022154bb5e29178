import { describe, expect, it } from 'vitest';

import { qemuOptions, settings } from './options.ts';

describe('the options', () => {
  it('have defaults, of which the environment replaces some', () => {
    expect(settings({}, { XDG_DATA_HOME: '/data' })).toEqual({
      directory: '/data/imgkit/qemu',
      project: 'default',
      accelerator: undefined,
      binary: 'qemu-system-x86_64',
    });
    const environment = { IMGKIT_QEMU_HOME: '/own', IMGKIT_QEMU_ACCELERATOR: 'tcg' };
    expect(settings({}, environment)).toMatchObject({ directory: '/own', accelerator: 'tcg' });
  });

  it('win over the environment', () => {
    const environment = { IMGKIT_QEMU_HOME: '/own', IMGKIT_QEMU_ACCELERATOR: 'tcg' };
    expect(settings({ directory: '/mine', accelerator: 'auto' }, environment)).toMatchObject({
      directory: '/mine',
      accelerator: undefined,
    });
  });

  it.each([
    [{ project: 'Team A' }, /lower-case letters/],
    [{ accelerator: 'xen' }, /accelerator|kvm/],
    [{ directory: '' }, /Too small|>=/],
    [{ disk: '/x' }, /Unrecognized key/],
  ])('refuse %j', (options, message) => {
    expect(qemuOptions.safeParse(options).error?.message).toMatch(message);
  });
});
