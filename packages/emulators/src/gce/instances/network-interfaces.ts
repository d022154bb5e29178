import { objectsOf, textOf, type JsonObject } from '../../control-plane/json.ts';
import type { Call } from '../call.ts';
import { invalid } from '../errors.ts';
import { selfLink } from '../links.ts';
import { regionOf } from '../locations.ts';
import type { Stored } from '../state.ts';
import { fingerprint } from '../values.ts';

/** The interfaces of a new instance. Networks aren't emulated: any name is taken. */
export function readInterfaces(call: Call, body: JsonObject): JsonObject[] {
  const given = objectsOf(body, 'networkInterfaces');
  const field = 'resource.networkInterfaces';
  if (given.length === 0) {
    throw invalid(field, '', 'At least one network interface is required.');
  }
  const region = regionOf(call.location) ?? '';
  return given.map((nic, index): JsonObject => {
    const here = `${field}[${index}]`;
    const subnetwork = textOf(nic, 'subnetwork');
    const network = textOf(nic, 'network') ?? 'global/networks/default';
    const net = call.refer(`${here}.network`, network, 'networks', 'global');
    const sub = call.refer(
      `${here}.subnetwork`,
      subnetwork ?? `regions/${region}/subnetworks/${net.name}`,
      'subnetworks',
      `regions/${region}`,
    );
    if (sub.location !== `regions/${region}`) {
      const why = `The subnetwork must be in the region of the instance, ${region}.`;
      throw invalid(`${here}.subnetwork`, subnetwork ?? '', why);
    }
    const shown = Object.assign({}, nic, {
      kind: 'compute#networkInterface',
      name: `nic${index}`,
      network: selfLink(`projects/${net.project}/global/networks/${net.name}`),
      subnetwork: selfLink(`projects/${sub.project}/${sub.location}/subnetworks/${sub.name}`),
      networkIP: textOf(nic, 'networkIP') ?? inner(call.world.nextId()),
      stackType: textOf(nic, 'stackType') ?? 'IPV4_ONLY',
      accessConfigs: objectsOf(nic, 'accessConfigs').map(shownConfig),
    });
    return Object.assign(shown, { fingerprint: fingerprint(shown) });
  });
}

function shownConfig(config: JsonObject): JsonObject {
  return {
    ...config,
    kind: 'compute#accessConfig',
    type: textOf(config, 'type') ?? 'ONE_TO_ONE_NAT',
    name: textOf(config, 'name') ?? 'External NAT',
    networkTier: textOf(config, 'networkTier') ?? 'PREMIUM',
  };
}

/**
 * Gives an instance its address for the outside, or takes it away.
 *
 * @param natIp - the real one; a made-up one that leads nowhere otherwise.
 */
export function setAddress({ resource }: Stored, natIp: string | undefined): void {
  resource['networkInterfaces'] = objectsOf(resource, 'networkInterfaces').map((nic) => {
    const configs = objectsOf(nic, 'accessConfigs');
    return Object.assign({}, nic, {
      accessConfigs: configs.map((config) => Object.assign({}, config, { natIP: natIp })),
    });
  });
}

/** An address of the range for benchmarks, which no router forwards. */
export function madeUpAddress(id: string): string {
  const [high, low] = bytes(id);
  return `198.18.${high}.${low}`;
}

function inner(id: string): string {
  const [high, low] = bytes(id);
  return `10.128.${high}.${low}`;
}

function bytes(id: string): readonly [number, number] {
  const number = Number(BigInt(id) % 65_000n) + 256;
  return [Math.floor(number / 256), number % 256];
}
