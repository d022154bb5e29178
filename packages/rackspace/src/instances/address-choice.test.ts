import { describe, expect, it } from 'vitest';

import type { NovaServer } from '../nova/nova-server.ts';
import { addressOf } from './address-choice.ts';

const fixed = (addr: string, version = 4) => ({ addr, version, 'OS-EXT-IPS:type': 'fixed' });
const floating = (addr: string) => ({ addr, version: 4, 'OS-EXT-IPS:type': 'floating' });

describe('the address of a server', () => {
  it.each<[string, NovaServer['addresses'], string | undefined]>([
    ['none', {}, undefined],
    ['its only one', { inside: [fixed('10.0.0.5')] }, '10.0.0.5'],
    ['the floating one', { inside: [fixed('10.0.0.5'), floating('1.2.3.4')] }, '1.2.3.4'],
    [
      'that of Rackspace’s public network',
      { private: [fixed('10.0.0.5')], public: [fixed('2001:db8::1', 6), fixed('5.6.7.8')] },
      '5.6.7.8',
    ],
    [
      'of version 4 rather than 6',
      { lan: [fixed('2001:db8::1', 6), fixed('10.0.0.5')] },
      '10.0.0.5',
    ],
  ])('is %s', (_, addresses, expected) => {
    const server = { id: 's1', name: 'a', status: 'ACTIVE', created: '', flavor: {}, addresses };
    expect(addressOf(server)).toBe(expected);
  });

  it.each([
    ['behind another box', '9.9.9.9', [fixed('5.6.7.8')], '9.9.9.9'],
    ['not said', '', [fixed('5.6.7.8')], '5.6.7.8'],
    ['a floating one', '9.9.9.9', [floating('1.2.3.4')], '1.2.3.4'],
  ])('is the one that the cloud says, when that is %s', (_, accessIPv4, list, expected) => {
    const addresses = { private: [fixed('10.0.0.5')], public: list };
    const server = { id: 's1', name: 'a', status: 'ACTIVE', created: '', flavor: {} };
    expect(addressOf({ ...server, addresses, accessIPv4 })).toBe(expected);
  });
});
