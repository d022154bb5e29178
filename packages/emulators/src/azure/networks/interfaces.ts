import { createHash } from 'node:crypto';

import { objectOf, objectsOf, textOf, type JsonObject } from '../../control-plane/json.ts';
import type { Call } from '../call.ts';
import { ArmError, invalidParameter } from '../errors.ts';
import { regionName } from '../regions.ts';
import { idKey } from '../resource-id.ts';
import { newResource, propertiesOf, setProperties, type Stored, type World } from '../state.ts';

/** How a machine is in networks: what answers tell of it, and what is made for it. */
export interface MachineNetwork {
  readonly profile: JsonObject;
  readonly made: readonly Stored[];
}

/** Takes the interfaces that a new machine names, or plans those that are to be made for it. Nothing is kept yet. */
export function machineNetwork(call: Call, profile: JsonObject, location: string): MachineNetwork {
  const standing = objectsOf(profile, 'networkInterfaces');
  const wanted = objectsOf(profile, 'networkInterfaceConfigurations');
  if (standing.length > 0 === wanted.length > 0)
    throw invalidParameter(
      'networkProfile',
      'Exactly one of networkInterfaces and networkInterfaceConfigurations must be given.',
    );
  if (wanted.length > 0 && textOf(profile, 'networkApiVersion') === undefined)
    throw invalidParameter(
      'networkProfile.networkApiVersion',
      'networkApiVersion is required with networkInterfaceConfigurations.',
    );
  for (const one of standing) requireFree(call, textOf(one, 'id') ?? '');
  const made = wanted.map((one) => planned(call, one, location));
  const references = made.map(({ reference }) => reference);
  return {
    profile: { networkInterfaces: [...standing, ...references] },
    made: made.flatMap(({ resources }) => resources),
  };
}

/** Plans an interface, and the public address that goes with it. */
function planned(call: Call, wish: JsonObject, location: string) {
  const properties = objectOf(wish, 'properties') ?? {};
  const id = networkId(call, 'networkInterfaces', textOf(wish, 'name') ?? '');
  const resources: Stored[] = [];
  const ipConfigurations = objectsOf(properties, 'ipConfigurations').map((one, index) => {
    const own = objectOf(one, 'properties') ?? {};
    const subnet = textOf(objectOf(own, 'subnet'), 'id') ?? '';
    const network = call.world.resources.find(subnet.replace(/\/subnets\/[^/]+$/i, ''));
    const place = textOf(network?.resource, 'location') ?? location;
    if (call.world.resources.find(subnet) === undefined || regionName(place) !== location)
      throw new ArmError(
        400,
        'InvalidResourceReference',
        `Resource ${subnet} referenced by resource ${id} was not found. Please make sure that the referenced resource exists, and that both resources are in the same region.`,
      );
    const address = objectOf(own, 'publicIPAddressConfiguration');
    const outside = address && publicAddress(call, address, location);
    if (outside) resources.push(outside);
    const name = textOf(one, 'name') ?? '';
    return {
      id: `${id}/ipConfigurations/${name}`,
      name,
      properties: {
        provisioningState: 'Succeeded',
        primary: index === 0,
        privateIPAllocationMethod: 'Dynamic',
        privateIPAddress: madeUpAddress('10', `${id} ${name}`),
        subnet: { id: subnet },
        ...(outside === undefined ? {} : { publicIPAddress: { id: outside.id } }),
      },
    };
  });
  const { networkSecurityGroup: group, enableAcceleratedNetworking } = properties;
  const card = newResource(
    id,
    { location, tags: objectOf(wish, 'tags') ?? {} },
    {
      provisioningState: 'Succeeded',
      ipConfigurations,
      virtualMachine: { id: call.id },
      ...(group === undefined ? {} : { networkSecurityGroup: group }),
      ...(enableAcceleratedNetworking === undefined ? {} : { enableAcceleratedNetworking }),
    },
  );
  const { primary = true, deleteOption = 'Detach' } = properties;
  requireNew(call, card);
  resources.push(card);
  return { resources, reference: { id, properties: { primary, deleteOption } } };
}

function publicAddress(call: Call, wish: JsonObject, location: string): Stored {
  const properties = objectOf(wish, 'properties') ?? {};
  const id = networkId(call, 'publicIPAddresses', textOf(wish, 'name') ?? '');
  const { deleteOption = 'Detach', publicIPAllocationMethod = 'Static' } = properties;
  const body = {
    location,
    tags: objectOf(wish, 'tags') ?? {},
    sku: wish['sku'] ?? { name: 'Standard' },
  };
  const made = newResource(id, body, {
    provisioningState: 'Succeeded',
    publicIPAddressVersion: 'IPv4',
    publicIPAllocationMethod,
    deleteOption,
  });
  requireNew(call, made);
  return made;
}

/** What a machine's interfaces are, and their public addresses. */
function interfacesOf(world: World, machine: Stored): readonly Stored[] {
  const profile = objectOf(propertiesOf(machine), 'networkProfile');
  return objectsOf(profile, 'networkInterfaces').flatMap(
    (one) => world.resources.find(textOf(one, 'id') ?? '') ?? [],
  );
}

/** The public addresses of a machine. */
export function publicAddressesOf(world: World, machine: Stored): readonly Stored[] {
  return interfacesOf(world, machine)
    .flatMap((card) => objectsOf(propertiesOf(card), 'ipConfigurations'))
    .flatMap((one) => {
      const id = textOf(objectOf(objectOf(one, 'properties'), 'publicIPAddress'), 'id');
      return (id === undefined ? undefined : world.resources.find(id)) ?? [];
    });
}

/** Gives a machine's public addresses their numbers: those where a real machine answers, if there is one. */
export function giveAddresses(world: World, machine: Stored, real: string | undefined): void {
  for (const one of publicAddressesOf(world, machine)) {
    const had = textOf(propertiesOf(one), 'ipAddress');
    setProperties(one, { ipAddress: real ?? had ?? madeUpAddress('20', one.id) });
  }
}

/** Lets go of a machine's interfaces: those that go with it are deleted, with their addresses. */
export function releaseInterfaces(world: World, machine: Stored): void {
  const profile = objectOf(propertiesOf(machine), 'networkProfile');
  const addresses = publicAddressesOf(world, machine);
  for (const entry of objectsOf(profile, 'networkInterfaces')) {
    const card = world.resources.find(textOf(entry, 'id') ?? '');
    if (card === undefined) continue;
    const goes = objectOf(entry, 'properties')?.['deleteOption'] === 'Delete';
    if (goes) world.resources.remove(card);
    else {
      const { virtualMachine: _, ...rest } = propertiesOf(card);
      card.resource['properties'] = rest;
    }
  }
  for (const one of addresses)
    if (propertiesOf(one)['deleteOption'] === 'Delete') world.resources.remove(one);
}

/** Marks the interfaces that a machine names as its own. */
export function takeInterfaces(world: World, machine: Stored): void {
  for (const card of interfacesOf(world, machine))
    setProperties(card, { virtualMachine: { id: machine.id } });
}

function networkId(call: Call, collection: string, name: string): string {
  const scope = call.id.split(/\/providers\//i)[0] ?? '';
  return `${scope}/providers/Microsoft.Network/${collection}/${name}`;
}

function requireFree(call: Call, id: string): void {
  const user = textOf(objectOf(propertiesOf(call.source(id)), 'virtualMachine'), 'id');
  if (user === undefined || idKey(user) === idKey(call.id)) return;
  throw new ArmError(
    400,
    'NicInUse',
    `Network Interface ${id} is used by existing resource ${user}.`,
  );
}

function requireNew(call: Call, made: Stored): void {
  if (call.world.resources.find(made.id) === undefined) return;
  throw new ArmError(409, 'Conflict', `The resource ${made.id} exists already.`);
}

/** An address that nothing answers at, always the same one for a thing. */
function madeUpAddress(first: string, thing: string): string {
  const [a = 0, b = 0, c = 0] = createHash('sha256').update(idKey(thing)).digest();
  return `${first}.${a}.${b}.${1 + (c % 254)}`;
}
