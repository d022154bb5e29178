import type { OperationControl } from '@imgkit/core';
import * as z from 'zod';

import { number, object, text, textMap, type WireObject } from '../api/wire.ts';
import type { AzureContext } from '../context.ts';
import type { AzureMachineOptions } from '../machines/machine-options.ts';
import { placeIn } from '../machines/network.ts';
import { toInstance, portsOf } from '../mapping/instance.ts';
import { planOf } from '../images/marketplace.ts';
import { machineIn } from '../resources/tags.ts';

/** https://learn.microsoft.com/azure/virtual-machines/spot-vms#eviction-policy */
const evictions = ['Deallocate', 'Delete'] as const;
const zones = ['1', '2', '3'] as const;

const schema = z.strictObject({
  /** The id of the machine. */
  instance: z.string(),
  /** The image that it boots from. */
  image: z.string().optional(),
  zone: z.enum(zones).optional(),
  identities: z.array(z.string()).optional(),
  /** Whether it has an identity of its own. */
  ownIdentity: z.boolean().optional(),
  subnet: z.string().optional(),
  publicAddress: z.boolean().optional(),
  networkSecurityGroup: z.string().optional(),
  acceleratedNetworking: z.boolean().optional(),
  ports: z.array(z.int()).optional(),
  plan: z.strictObject({ name: z.string(), product: z.string(), publisher: z.string() }).optional(),
  spot: z
    .strictObject({ maxPrice: z.number().positive().optional(), eviction: z.enum(evictions) })
    .optional(),
  /** Of an image version: what restore points keep by themselves, in their form. */
  held: z.record(z.string(), z.json()).optional(),
});

/** What of a machine Azure keeps in no restore point or image version: it is kept in tags. */
export type MachineNote = z.infer<typeof schema>;

/** Takes down what Azure doesn't keep of a machine. */
export async function noteOf(
  context: AzureContext,
  machine: WireObject,
  control: OperationControl,
): Promise<MachineNote> {
  const place = await placeIn(context, machine, control);
  const { provider, gallery } = context;
  const { id, image } = toInstance(machine, provider, gallery);
  const identity = object(machine, 'identity');
  const identities = Object.keys(object(identity, 'userAssignedIdentities') ?? {});
  const given: unknown = machine['zones'];
  const zone = zones.find((one) => Array.isArray(given) && given[0] === one);
  const ownIdentity = text(identity, 'type')?.includes('SystemAssigned') === true;
  const ports = portsOf(machine);
  return {
    instance: id,
    image: image?.id,
    zone,
    ...(identities.length === 0 ? {} : { identities }),
    ...(ownIdentity ? { ownIdentity } : {}),
    ...place,
    ...(ports === undefined ? {} : { ports: [...ports] }),
    plan: planOf(machine, 'plan'),
    spot: spotOf(machine),
  };
}

function spotOf(machine: WireObject): MachineNote['spot'] {
  if (text(machine, 'priority') !== 'Spot') return undefined;
  const maxPrice = number(object(machine, 'billingProfile'), 'maxPrice') ?? -1;
  const eviction = text(machine, 'evictionPolicy') === 'Delete' ? 'Delete' : 'Deallocate';
  return { ...(maxPrice > 0 ? { maxPrice } : {}), eviction };
}

/** A note as the text that is kept. */
export function writeNote(note: MachineNote): string {
  return JSON.stringify(note);
}

/** The note in the tags of a resource; nothing where there is none, or somebody has changed it. */
export function readNote(resource: WireObject | undefined): MachineNote | undefined {
  try {
    const parsed: unknown = JSON.parse(machineIn(textMap(resource, 'tags')));
    return schema.safeParse(parsed).data;
  } catch {
    return undefined; // nothing, or a piece is missing
  }
}

/**
 * What a machine is restored with where nobody says otherwise.
 *
 * @param elsewhere - Whether that is in another region, where neither its network nor its zone is.
 */
export function optionsIn(note: MachineNote | undefined, elsewhere: boolean): AzureMachineOptions {
  if (note === undefined) return {};
  const { publicAddress, acceleratedNetworking, identities, plan, spot } = note;
  const anywhere = { publicAddress, acceleratedNetworking, identities, plan, spot };
  if (elsewhere) return anywhere;
  const { zone, subnet, networkSecurityGroup } = note;
  return { ...anywhere, zone, subnet, networkSecurityGroup };
}
