import { describe, expect, it } from 'vitest';

import { fakeTransport, quickRetrier, settings, tokenAnswer } from '../../test/fake-cloud.ts';
import { connect } from '../client.ts';
import { Flavors, type FlavorNeeds } from './flavors.ts';

const flavor = (name: string, vcpus: number, ram: number, disk: number, more: object = {}) => ({
  id: `id-of-${name}`,
  name,
  vcpus,
  ram,
  disk,
  ...more,
});
const all = [
  flavor('large', 4, 8192, 80),
  flavor('off', 1, 600, 10, { 'OS-FLV-DISABLED:disabled': true }),
  flavor('diskless', 1, 512, 0),
  flavor('small', 1, 1024, 10),
  flavor('wide', 1, 1024, 40),
];
const gib = 2 ** 30;

function cloud() {
  const { send, requests } = fakeTransport(({ url }) => {
    if (url.endsWith('/auth/tokens')) return tokenAnswer('t1');
    return url.includes('/flavors') ? { json: { flavors: all } } : { status: 404 };
  });
  const { nova } = connect(settings, quickRetrier(), send);
  const flavors = new Flavors(nova, () => 0);
  const choose = async (needs: FlavorNeeds) => (await flavors.choose(needs)).name;
  return { choose, requests };
}

describe('choosing a flavor', () => {
  it('takes the one that was named, by name or id', async () => {
    const { choose, requests } = cloud();
    expect(await choose({ machineType: 'large' })).toBe('large');
    expect(await choose({ machineType: 'id-of-wide' })).toBe('wide');
    expect(requests.filter(({ url }) => url.includes('/flavors'))).toHaveLength(1);
  });

  it.each([
    ['the default', undefined, 5 * gib, 'small'],
    ['a larger disk', undefined, 20 * gib, 'wide'],
    ['more processors', { cpus: 2, memoryBytes: gib }, 5 * gib, 'large'],
    ['a boot volume', { cpus: 1, memoryBytes: gib / 2 }, undefined, 'diskless'],
  ])('takes the smallest that has enough, for %s', async (_, machineType, diskBytes, expected) => {
    expect(await cloud().choose({ machineType, diskBytes })).toBe(expected);
  });

  it('heeds what the image asks for', async () => {
    const needs = { machineType: undefined, diskBytes: gib, leastMemoryMib: 2000 };
    expect(await cloud().choose(needs)).toBe('large');
  });

  it.each([
    ['a name that nothing has', { machineType: 'x' }, 'small (1 CPUs, 1024 MiB, 10 GiB)'],
    ['a disk that is too small', { machineType: 'small', diskBytes: 11 * gib }, 'larger flavor'],
    ['more than there is', { machineType: { cpus: 99, memoryBytes: gib } }, 'large'],
    ['no number', { machineType: { cpus: 0.5, memoryBytes: gib } }, 'above 0'],
  ])('refuses %s, and says what there is', async (_, needs: FlavorNeeds, hint) => {
    await expect(cloud().choose(needs)).rejects.toMatchObject({
      code: 'INVALID_ARGUMENT',
      hint: expect.stringContaining(hint),
    });
  });
});
