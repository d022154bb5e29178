import { object, objects, text, type WireObject } from '../api/wire.ts';
import { networkInterface, toScheduling, type MachinePlan } from './machine-template.ts';

type RestorePlan = Pick<MachinePlan, 'project' | 'scope' | 'options' | 'expiresAt'>;

/**
 * How a restored machine is scheduled; nothing when it is as the machine image holds it. Google takes the field as a
 * whole, so what is held goes along, but for the end of the machine it was taken of: kept, it would be refused, or
 * removed at once.
 */
export function restoredScheduling(
  held: WireObject | undefined,
  { options: { spot }, expiresAt }: RestorePlan,
): WireObject | undefined {
  const {
    terminationTime,
    maxRunDuration,
    instanceTerminationAction: action,
    ...rest
  } = object(held, 'scheduling') ?? {};
  if (spot === undefined && expiresAt === undefined && terminationTime === undefined)
    return undefined;
  return {
    ...withModel(rest, spot, objects(held, 'guestAccelerators').length > 0),
    ...toScheduling(spot === true, expiresAt),
    // Google takes one limit only: the end that is asked for goes before the run time that is held.
    ...(expiresAt === undefined &&
      maxRunDuration !== undefined && { maxRunDuration, instanceTerminationAction: action }),
  };
}

/**
 * The network of a restored machine, when something of it is to be different. Of the interfaces that are held, all
 * that isn't the first machine's own goes along.
 */
export function restoredInterfaces(
  held: WireObject | undefined,
  plan: RestorePlan,
): readonly WireObject[] | undefined {
  const { network, subnet, externalAddress } = plan.options;
  if (network !== undefined || subnet !== undefined) return [networkInterface(plan)];
  if (externalAddress === undefined) return undefined;
  return objects(held, 'networkInterfaces').map((one) => likeInterface(one, externalAddress));
}

function likeInterface(one: WireObject, externalAddress: boolean): WireObject {
  const {
    accessConfigs: _,
    ipv6AccessConfigs: _configs,
    ipv6AccessType: _type,
    ipv6Address: _address,
    networkIP: _ip,
    name: _name,
    fingerprint: _fingerprint,
    kind: _kind,
    ...kept
  } = one;
  const isOutside = objects(one, 'ipv6AccessConfigs').length > 0;
  // An interface with both protocols in an external subnet gets an external address again.
  if (!externalAddress) return { ...kept, ...(isOutside && { stackType: 'IPV4_ONLY' }) };
  return {
    ...kept,
    accessConfigs: [accessOf(one, 'accessConfigs', 'External NAT', 'ONE_TO_ONE_NAT')],
    ...(isOutside && {
      ipv6AccessConfigs: [accessOf(one, 'ipv6AccessConfigs', 'External IPv6', 'DIRECT_IPV6')],
    }),
  };
}

/** A new address of the tier that the one before had. */
function accessOf(one: WireObject, key: string, name: string, type: string): WireObject {
  return { name, type, networkTier: text(objects(one, key)[0], 'networkTier') };
}

/** What is held, but for what goes with the other provisioning model. */
function withModel(
  held: WireObject,
  spot: boolean | undefined,
  hasAccelerators: boolean,
): WireObject {
  if (spot === undefined) return held;
  const { preemptible, provisioningModel, automaticRestart: _, onHostMaintenance, ...rest } = held;
  if (spot) return rest;
  if (provisioningModel !== 'SPOT' && preemptible !== true) return held;
  // Machines with accelerators can't be migrated, whatever their model is.
  return { ...rest, provisioningModel: 'STANDARD', ...(hasAccelerators && { onHostMaintenance }) };
}
