import type { NovaServer } from '../nova/nova-server.ts';

/**
 * The address of a server at which it is reached from here: its floating one, else that of Rackspace's network
 * `public`, else any; of version 4 rather than 6.
 */
export function addressOf({ addresses = {} }: NovaServer): string | undefined {
  const all = Object.entries(addresses).flatMap(([network, list]) =>
    list.map(({ addr, version, 'OS-EXT-IPS:type': type }) => ({
      addr,
      rank: [type === 'floating', network === 'public', version === 4]
        .map((one) => (one ? 0 : 1))
        .join(''),
    })),
  );
  return all.toSorted((a, b) => a.rank.localeCompare(b.rank))[0]?.addr;
}
