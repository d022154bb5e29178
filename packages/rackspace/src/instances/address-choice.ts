import type { NovaServer } from '../nova/nova-server.ts';

/**
 * The address of a server at which it is reached from here: its floating one, else the one that the cloud says it is
 * reached at, as Rackspace's does behind RackConnect, else that of Rackspace's network `public`, else any; of version
 * 4 rather than 6.
 */
export function addressOf({ addresses = {}, accessIPv4 }: NovaServer): string | undefined {
  const all = Object.entries(addresses).flatMap(([network, list]) =>
    list.map(({ addr, version, 'OS-EXT-IPS:type': type }) => ({
      addr,
      rank: [type === 'floating', addr === accessIPv4, network === 'public', version === 4]
        .map((one) => (one ? 0 : 1))
        .join(''),
    })),
  );
  // One that leads through another box is none of the server's own.
  if (accessIPv4 && !all.some(({ addr }) => addr === accessIPv4))
    all.push({ addr: accessIPv4, rank: '1011' });
  return all.toSorted((a, b) => a.rank.localeCompare(b.rank))[0]?.addr;
}
