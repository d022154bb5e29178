import { randomUUID } from 'node:crypto';

import {
  ImgkitError,
  type Instance,
  type OperationControl,
  type RestoreRequest,
} from '@imgkit/core';

import { number, object, text, textMap, type WireObject } from '../api/wire.ts';
import type { AzureContext } from '../context.ts';
import { ended, ifThere } from '../definitions.ts';
import { toUserData } from '../machines/guest-data.ts';
import { instanceKind } from '../machines/instance-kind.ts';
import { interfaceOf, priceOf } from '../machines/launch.ts';
import { readMachineOptions } from '../machines/machine-options.ts';
import { subnetFor } from '../machines/network.ts';
import { sizeName } from '../machines/sizes.ts';
import { ownOf, statusOf } from '../mapping.ts';
import { checkName } from '../names.ts';
import { makeResource, type ResourceKind } from '../resources.ts';
import { fromTags, keyDigest, metadataIn } from '../tags.ts';
import { heldDisks, readPoint } from './restore-point.ts';

const diskType = 'Microsoft.Compute/disks';

/**
 * Makes a machine of a restore point: disks of what it holds of each, then the machine of its configuration; what the
 * request says goes before it. What was made goes again when the machine can't be made.
 */
export async function restoreMachine(
  context: AzureContext,
  request: RestoreRequest,
  control: OperationControl,
): Promise<Instance> {
  const { name, labels: wanted, metadata: told } = request;
  checkName('an instance', name);
  refuse(request);
  const options = readMachineOptions(request.providerOptions);
  const { point, collection } = await readPoint(context, request.machineImage, control);
  if (statusOf(point) !== 'READY')
    throw new ImgkitError('FAILED_PRECONDITION', `${request.machineImage} isn't ready`, {
      resource: request.machineImage,
      hint: 'Wait for it.',
    });
  const held = object(point, 'sourceMetadata') ?? {};
  const boot = object(object(held, 'storageProfile'), 'osDisk');
  if (boot === undefined)
    throw new ImgkitError('UNSUPPORTED', `${request.machineImage} has no boot disk`, {
      hint: 'It was excluded when the machine image was taken: make single disks of it.',
    });
  const tags = textMap(collection, 'tags');
  const location = text(collection, 'location') ?? context.settings.location;
  const idempotencyKey = request.idempotencyKey ?? randomUUID();
  const labels = wanted ?? fromTags(tags);
  const metadata = told ?? metadataIn(tags);
  const ports = request.ports ?? ownOf(collection).ports?.split(' ').map(Number) ?? [];
  const need = { architecture: undefined, generation: undefined, ephemeralDisk: false };
  const vmSize =
    request.machineType === undefined
      ? (text(object(held, 'hardwareProfile'), 'vmSize') ?? '')
      : await sizeName(context, request.machineType, need, control);
  const subnet = await subnetFor(
    context,
    options.subnet ?? ownOf(collection).subnet,
    ports,
    control,
  );
  const disks = heldDisks(point);
  const names = disks.map((disk) => (disk === boot ? `${name}-os` : `${name}-data-${lunOf(disk)}`));
  const sku = options.diskSku;
  const make = async (disk: WireObject, index: number): Promise<string> => {
    const usual = text(object(disk, 'managedDisk'), 'storageAccountType') ?? 'StandardSSD_LRS';
    const source = text(object(disk, 'diskRestorePoint'), 'id');
    const body = {
      location,
      sku: { name: sku ?? usual },
      ...(options.zone === undefined ? {} : { zones: [options.zone] }),
      creationData: { createOption: 'Restore', sourceResourceId: source },
    };
    const own = names[index] ?? name;
    await makeResource(
      context,
      diskKind(own),
      { name: own, labels, idempotencyKey, body },
      control,
    );
    return context.id(diskType, own);
  };
  try {
    const ids = await Promise.all(disks.map(make));
    const attached = disks.map((disk, index) => attach(disk, ids[index] ?? '', disk === boot));
    const [osDisk, ...dataDisks] = attached;
    const userData = toUserData(request) ?? text(held, 'userData');
    const body = {
      location,
      ...(options.zone === undefined ? {} : { zones: [options.zone] }),
      hardwareProfile: { vmSize },
      storageProfile: { osDisk, dataDisks },
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
    const creation = { name, labels, idempotencyKey, own, metadata, body };
    return await makeResource(context, instanceKind(context), creation, control);
  } catch (error) {
    const stays = ImgkitError.is(error, 'PENDING') || ImgkitError.is(error, 'ALREADY_EXISTS');
    if (!stays) await undo(context, name, names, keyDigest(idempotencyKey));
    throw error;
  }
}

function lunOf(disk: WireObject): number {
  return number(disk, 'lun') ?? 0;
}

function attach(disk: WireObject, id: string, boot: boolean): WireObject {
  const caching = text(disk, 'caching');
  return {
    createOption: 'Attach',
    managedDisk: { id },
    ...(boot ? { osType: text(disk, 'osType') ?? 'Linux' } : { lun: lunOf(disk) }),
    ...(caching === undefined ? {} : { caching }),
    deleteOption: 'Delete',
  };
}

function kept(held: WireObject, field: string): WireObject {
  return held[field] === undefined ? {} : { [field]: held[field] };
}

function diskKind(
  name: string,
): ResourceKind<{ readonly name: string; readonly labels: object & Record<string, string> }> {
  return { what: 'disk', type: diskType, capability: 'disks', show: () => ({ name, labels: {} }) };
}

/** Removes what is left of a machine that could not be made, as far as it is this call's. */
async function undo(
  context: AzureContext,
  name: string,
  disks: readonly string[],
  key: string,
): Promise<void> {
  const { client, logger } = context;
  const machine = context.id('Microsoft.Compute/virtualMachines', name);
  for (const id of [machine, ...disks.map((disk) => context.id(diskType, disk))])
    try {
      const standing = await ifThere(() => client.get(id));
      if (standing === undefined || ownOf(standing).key !== key) continue;
      await ended(context, await client.delete(id), {});
    } catch (cause) {
      logger.warn('a part of a machine that failed could not be removed', { id, cause });
    }
}

function refuse({ disks, bootDiskSizeBytes, hostKey }: RestoreRequest): void {
  if (disks !== undefined || bootDiskSizeBytes !== undefined)
    throw new ImgkitError('UNSUPPORTED', 'the disks of a machine image are restored as they are', {
      hint: 'Leave `disks` and `bootDiskSizeBytes` out; make other disks beside.',
    });
  if (hostKey !== undefined)
    throw new ImgkitError('UNSUPPORTED', 'a restored machine keeps its SSH host keys', {
      hint: 'Leave `hostKey` out.',
    });
}
