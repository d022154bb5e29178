import { ifThere, ImgkitError, type CallOptions } from '@imgkit/core';

import { flag, object, objects, text, type WireObject } from '../api/wire.ts';
import type { AzureContext } from '../context.ts';
import { invalid } from '../resources/invalid.ts';
import { isBusy } from '../mapping.ts';
import { regionName, sameRegion } from '../resources/regions.ts';
import { toTags } from '../resources/tags.ts';

const addressSpace = '10.64.0.0/16';
/** Azure takes priorities from 100 to 4096. */
const [firstPriority, lastPriority, mostRules] = [1000, 4096, 2900];

/**
 * The subnet for new machines: the one that is named, or that of the network which imgkit makes for itself where
 * nobody names one. That network, `imgkit-<region>` in the provider's resource group, is made once and stays: it
 * costs nothing. Its security group lets in SSH, and the further ports that machines have asked for.
 *
 * @param location - The region of the machines; the provider's own by default.
 * @throws {@link ImgkitError} with `INVALID_ARGUMENT` for machines elsewhere, when the provider has a subnet of its own.
 */
export async function subnetFor(
  context: AzureContext,
  wanted: string | undefined,
  ports: readonly number[],
  options: CallOptions,
  location = context.settings.location,
): Promise<string> {
  const { settings } = context;
  const network = networkId(context, 'virtualNetworks', location);
  const group = networkId(context, 'networkSecurityGroups', location);
  const subnet = `${network}/subnets/machines`;
  const named = wanted ?? settings.subnet;
  if (wanted === undefined && named !== undefined && location !== settings.location)
    throw invalid(
      `the provider's subnet is in ${settings.location}, and the machine is to be in ${location}`,
      'Name a subnet there: providerOptions: { subnet: "/subscriptions/…/subnets/…" }.',
    );
  // Its own network is made again where it is gone.
  if (named !== undefined && named.toLowerCase() !== subnet.toLowerCase()) return named;
  if ((await ifThere(() => context.client.getNetwork(subnet, options))) === undefined) {
    const body = { location, tags: toTags() };
    const rules = { securityRules: [rule(context, 22, firstPriority)] };
    await ensure(context, group, { ...body, properties: rules }, options);
    const inside = { addressPrefix: addressSpace, networkSecurityGroup: { id: group } };
    const properties = {
      addressSpace: { addressPrefixes: [addressSpace] },
      subnets: [{ name: 'machines', properties: inside }],
    };
    await ensure(context, network, { ...body, properties }, options);
    await ensure(context, subnet, { properties: inside }, options);
  }
  for (const port of ports) await letIn(context, group, port, options);
  return subnet;
}

/** Makes a part of a network where it is missing: what stands would be replaced, with all that others put into it. */
async function ensure(
  context: AzureContext,
  id: string,
  body: WireObject,
  options: CallOptions,
): Promise<void> {
  const standing = await ifThere(() => context.client.getNetwork(id, options));
  if (standing === undefined) await made(context, id, body, options);
}

/**
 * Makes sure that a subnet stands, and is in the region of its machine: Azure would say so only when disks are made.
 * What may not be read is Azure's to decide on; imgkit's own is made where it is missing.
 *
 * @throws {@link ImgkitError} with `FAILED_PRECONDITION`.
 */
export async function requireSubnet(
  context: AzureContext,
  subnet: string,
  location: string,
  options: CallOptions,
): Promise<void> {
  const network = subnet.replace(/\/subnets\/[^/]+\/?$/i, '');
  if (network.toLowerCase() === networkId(context, 'virtualNetworks', location).toLowerCase())
    return;
  const hint = 'Name another: providerOptions: { subnet: "/subscriptions/…/subnets/…" }.';
  try {
    const { client } = context;
    const found = await ifThere(() => client.getNetwork(network, options));
    const inside = found && (await ifThere(() => client.getNetwork(subnet, options)));
    if (inside === undefined)
      throw new ImgkitError('FAILED_PRECONDITION', `the subnet ${subnet} is no more`, {
        resource: subnet,
        hint,
      });
    const place = text(found, 'location') ?? location;
    if (!sameRegion(place, location))
      throw new ImgkitError(
        'FAILED_PRECONDITION',
        `the subnet ${subnet} is in ${regionName(place)}, and the machine is to be in ${location}`,
        { resource: subnet, hint },
      );
  } catch (error) {
    if (!ImgkitError.is(error, 'PERMISSION_DENIED')) throw error;
  }
}

/** Lets in at a port of the network's machines. Each rule needs a priority of its own: it is the port's, or the next one that is free. */
async function letIn(
  context: AzureContext,
  group: string,
  port: number,
  options: CallOptions,
): Promise<void> {
  const id = `${group}/securityRules/imgkit-tcp-${port}`;
  const standing = await ifThere(() => context.client.getNetwork(id, options));
  if (standing !== undefined) return;
  for (let priority = firstPriority + 1 + (port % mostRules); ; priority += 1)
    try {
      const { properties } = rule(context, port, priority);
      return await made(context, id, { properties }, options);
    } catch (error) {
      if (!ImgkitError.is(error) || error.providerCode !== 'SecurityRuleConflict') throw error;
      if (priority >= lastPriority) throw error;
    }
}

/** Where a machine is reached: at its public or its private address, as the provider is set up; the other one where it lacks that. */
export async function addressOf(
  { client, settings }: AzureContext,
  machine: WireObject,
  options?: CallOptions,
): Promise<string | undefined> {
  const found: Record<'public' | 'private', string[]> = { public: [], private: [] };
  for (const card of objects(object(machine, 'networkProfile'), 'networkInterfaces')) {
    const id = text(card, 'id');
    if (id === undefined) continue;
    const native = object(await client.getNetwork(id, options), 'properties');
    for (const one of objects(native, 'ipConfigurations')) {
      const inside = text(object(one, 'properties'), 'privateIPAddress');
      if (inside !== undefined) found.private.push(inside);
      const outside = text(object(object(one, 'properties'), 'publicIPAddress'), 'id');
      if (outside === undefined) continue;
      const address = await client.getNetwork(outside, options);
      const number = text(object(address, 'properties'), 'ipAddress');
      if (number !== undefined) found.public.push(number);
    }
  }
  const all =
    settings.address === 'private'
      ? [...found.private, ...found.public]
      : [...found.public, ...found.private];
  return all[0];
}

function networkId({ settings }: AzureContext, collection: string, location: string): string {
  const { subscription, resourceGroup } = settings;
  return `/subscriptions/${subscription}/resourceGroups/${resourceGroup}/providers/Microsoft.Network/${collection}/imgkit-${location}`;
}

/** A rule that lets those in whom the provider's `allowFrom` names. */
function rule({ settings }: AzureContext, port: number, priority: number) {
  const { allowFrom } = settings;
  return {
    name: `imgkit-tcp-${port}`,
    properties: {
      priority,
      direction: 'Inbound',
      access: 'Allow',
      protocol: 'Tcp',
      ...(allowFrom.length === 1
        ? { sourceAddressPrefix: allowFrom[0] }
        : { sourceAddressPrefixes: allowFrom }),
      sourcePortRange: '*',
      destinationAddressPrefix: '*',
      destinationPortRange: String(port),
    },
  };
}

/** Makes a part of a network, and waits until it stands. */
async function made(
  { client, clock }: AzureContext,
  id: string,
  body: WireObject,
  options: CallOptions,
): Promise<void> {
  await client.putNetwork(id, body, options);
  for (let delay = 100; ; delay = Math.min(delay * 2, 5_000)) {
    const seen = object(await client.getNetwork(id, options), 'properties');
    if (seen === undefined || !isBusy(seen)) return;
    await clock.sleep(delay, options.signal);
  }
}

/** How a machine is in its network. */
export interface MachinePlace {
  readonly subnet: string | undefined;
  readonly publicAddress: boolean;
  readonly networkSecurityGroup: string | undefined;
  readonly acceleratedNetworking: boolean | undefined;
}

/** How a machine's primary interface is in its network. */
export async function placeIn(
  { client }: AzureContext,
  machine: WireObject,
  options?: CallOptions,
): Promise<MachinePlace | undefined> {
  const cards = objects(object(machine, 'networkProfile'), 'networkInterfaces');
  const id = text(cards.find((card) => flag(card, 'primary')) ?? cards[0], 'id');
  if (id === undefined) return undefined;
  const native = object(await client.getNetwork(id, options), 'properties');
  const addresses = objects(native, 'ipConfigurations').map((one) => object(one, 'properties'));
  return {
    subnet: text(object(addresses[0], 'subnet'), 'id'),
    publicAddress: addresses.some((one) => object(one, 'publicIPAddress') !== undefined),
    networkSecurityGroup: text(object(native, 'networkSecurityGroup'), 'id'),
    acceleratedNetworking: flag(native, 'enableAcceleratedNetworking') ? true : undefined,
  };
}
