import { randomUUID } from 'node:crypto';

import {
  ifThere,
  ImgkitError,
  type CallOptions,
  type Instance,
  type OperationControl,
  type RestoreRequest,
} from '@imgkit/core';

import { object, text, type WireObject } from '../api/wire.ts';
import type { AzureContext } from '../context.ts';
import { ended } from '../versions/definitions.ts';
import { invalid } from '../resources/invalid.ts';
import { toUserData } from '../machines/guest-data.ts';
import { instanceKind } from '../machines/instance-kind.ts';
import { checkedPort, interfaceOf } from '../machines/launch.ts';
import { readRestoreOptions, type AzureRestoreOptions } from '../machines/machine-options.ts';
import { requireSubnet, subnetFor } from '../machines/network.ts';
import { placeOf, priceOf } from '../machines/placement.ts';
import { sizeName } from '../machines/sizes.ts';
import { ownOf, statusOf } from '../mapping.ts';
import { checkName } from '../resources/names.ts';
import { makeResource, taken } from '../resources/resource-calls.ts';
import { fromTags, keyDigest, metadataIn } from '../resources/tags.ts';
import { readHeldMachine, type HeldMachine } from './held-machine.ts';
import { locateMachineImage } from './machine-image-id.ts';
import { optionsIn } from './machine-note.ts';
import { ownDisks, restoreDisks } from './restored-disks.ts';

/**
 * Makes a machine of a machine image: its disks, then the machine of the configuration that is held; what the request
 * says goes before it. What was made goes again when the machine can't be made.
 */
export async function restoreMachine(
  context: AzureContext,
  request: RestoreRequest,
  control: OperationControl,
): Promise<Instance> {
  const { name, machineImage } = request;
  checkName('an instance', name);
  refuse(request);
  const wishes = readRestoreOptions(request.providerOptions);
  const machine = await readHeldMachine(context, machineImage, wishes.location, control);
  const { held, note, tags, location, elsewhere } = machine;
  if (object(object(held, 'storageProfile'), 'osDisk') === undefined)
    throw new ImgkitError('UNSUPPORTED', `${machineImage} has no boot disk`, {
      hint: 'It was excluded when the machine image was taken: make single disks of it.',
    });
  const options: AzureRestoreOptions = { ...optionsIn(note, elsewhere), ...said(wishes) };
  const idempotencyKey = request.idempotencyKey ?? randomUUID();
  const labels = request.labels ?? fromTags(tags);
  const metadata = request.metadata ?? metadataIn(tags);
  const ports = (request.ports ?? note?.ports ?? []).map(checkedPort);
  const userData = toUserData(request) ?? text(held, 'userData');
  const hardwareProfile = await hardwareFor(context, request, machine, control);
  if (options.subnet !== undefined) await requireSubnet(context, options.subnet, location, control);
  const subnet = await subnetFor(context, options.subnet, ports, control, location);
  const ownIdentity = note?.ownIdentity === true && wishes.identities === undefined;
  const owner = { name, labels, idempotencyKey };
  await clearWay(context, name, keyDigest(idempotencyKey), control);
  try {
    const body = {
      location,
      ...placeOf(options, undefined, ownIdentity),
      hardwareProfile,
      storageProfile: await restoreDisks(context, machine, owner, options, control),
      ...(userData === undefined ? {} : { userData }),
      networkProfile: {
        networkApiVersion: '2022-11-01',
        networkInterfaceConfigurations: [interfaceOf(context, { name, labels }, options, subnet)],
      },
      ...kept(held, 'securityProfile'),
      ...kept(held, 'licenseType'),
      diagnosticsProfile: { bootDiagnostics: { enabled: true } },
      ...priceOf(options),
    };
    const own = { ports: [...new Set([22, ...ports])].join(' ') };
    const creation = { ...owner, own, metadata, body };
    return await makeResource(context, instanceKind(context), creation, control);
  } catch (error) {
    const goesOn = ImgkitError.is(error, 'PENDING');
    const disks = ownDisks(context, machine, name);
    if (!goesOn) await undo(context, name, disks, keyDigest(idempotencyKey));
    throw error;
  }
}

/**
 * Refuses a name that another machine has, before any disk is made, and removes what failed with the same key: its disks
 * would go with it later.
 */
async function clearWay(
  context: AzureContext,
  name: string,
  key: string,
  options: CallOptions,
): Promise<void> {
  const id = context.id('Microsoft.Compute/virtualMachines', name);
  const standing = await ifThere(() => context.client.get(id, options));
  if (standing === undefined) return;
  if (ownOf(standing).key !== key) throw taken('instance', id);
  if (statusOf(standing) !== 'FAILED') return;
  await ended(context, await context.client.delete(id, options), options);
}

/** What was said of the options, so that what was left out doesn't hide what is held. */
function said(options: AzureRestoreOptions): AzureRestoreOptions {
  return Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined));
}

async function hardwareFor(
  context: AzureContext,
  { machineType }: RestoreRequest,
  { held, location }: HeldMachine,
  options: CallOptions,
): Promise<WireObject> {
  if (machineType === undefined) return object(held, 'hardwareProfile') ?? {};
  const architecture = text(held, 'architecture');
  const generation = text(held, 'hyperVGeneration');
  const need = { architecture, generation, ephemeralDisk: false, location };
  return { vmSize: await sizeName(context, machineType, need, options) };
}

function kept(held: WireObject, field: string): WireObject {
  return held[field] === undefined ? {} : { [field]: held[field] };
}

/** Removes what is left of a machine that could not be made, as far as it is this call's. */
async function undo(
  context: AzureContext,
  name: string,
  disks: readonly string[],
  key: string,
): Promise<void> {
  const { client, logger } = context;
  for (const id of [context.id('Microsoft.Compute/virtualMachines', name), ...disks])
    try {
      const standing = await ifThere(() => client.get(id));
      if (standing === undefined || ownOf(standing).key !== key) continue;
      await ended(context, await client.delete(id), {});
    } catch (cause) {
      logger.warn('a part of a machine that failed could not be removed', { id, cause });
    }
}

function refuse(request: RestoreRequest): void {
  const { machineImage, disks, bootDiskSizeBytes, hostKey } = request;
  if (disks !== undefined || bootDiskSizeBytes !== undefined)
    throw new ImgkitError('UNSUPPORTED', 'the disks of a machine image are restored as they are', {
      hint: 'Leave `disks` and `bootDiskSizeBytes` out; make other disks beside.',
    });
  if (hostKey !== undefined)
    throw new ImgkitError('UNSUPPORTED', 'a restored machine keeps its SSH host keys', {
      hint: 'Leave `hostKey` out.',
    });
  if (locateMachineImage(machineImage).kind === 'restorePoint') return;
  const { authorizedKeys = [], startupScript, userData } = request;
  if (authorizedKeys.length === 0 && startupScript === undefined && userData === undefined) return;
  throw invalid(
    `${machineImage} is a specialized image version, whose guest is told nothing: it keeps its users and their keys`,
    'Leave `authorizedKeys`, `startupScript` and `userData` out, and change the guest once it runs. Machines that are restored of restore points take them.',
  );
}
