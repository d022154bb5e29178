import { randomUUID } from 'node:crypto';

import {
  ifThere,
  ImgkitError,
  type ExtraDisk,
  type Instance,
  type LaunchRequest,
  type OperationControl,
} from '@imgkit/core';

import type { WireObject } from '../api/wire.ts';
import type { AzureContext } from '../context.ts';
import { ended } from '../versions/definitions.ts';
import { invalid } from '../images/image-request.ts';
import { ownOf } from '../mapping.ts';
import { machineName } from '../resources/names.ts';
import { formatId, parseIdOf } from '../resources/resource-id.ts';
import { makeResource, type ResourceKind } from '../resources/resource-calls.ts';
import { keyDigest } from '../resources/tags.ts';
import { bootContent, type BootContent } from './boot.ts';
import { toOsProfile, toUserData } from './guest-data.ts';
import { readMachineOptions, type AzureMachineOptions } from './machine-options.ts';
import { subnetFor } from './network.ts';
import { placeOf, priceOf } from './placement.ts';
import { sizeName } from './sizes.ts';
import { snapshotDisk } from './snapshot-disk.ts';

const gib = 2 ** 30;
const networkApiVersion = '2022-11-01';

/** Makes a machine, once for a key, and waits until it runs. What was made for one that fails goes with it. */
export async function launchInstance(
  context: AzureContext,
  kind: ResourceKind<Instance>,
  wishes: LaunchRequest,
  control: OperationControl,
): Promise<Instance> {
  const { name, labels, metadata, idempotencyKey = randomUUID() } = wishes;
  const request = { ...wishes, idempotencyKey };
  check(request);
  const options = readMachineOptions(request.providerOptions);
  const ports = (request.ports ?? []).map(checkedPort);
  await context.regions.require([], control);
  const content = await bootContent(context, request, control);
  if (content.facts.osType === 'Windows' && content.facts.osState !== 'Specialized')
    throw new ImgkitError('UNSUPPORTED', 'imgkit sets no machines of Windows up', {
      resource: name,
      hint: 'Azure wants a password for them, which this contract has no place for. Specialized images of Windows can be launched.',
    });
  const { location } = context.settings;
  const architecture = content.facts.architecture;
  const generation = content.facts.hyperVGeneration;
  const ephemeralDisk = options.ephemeralOsDisk !== undefined;
  const need = { architecture, generation, ephemeralDisk };
  const vmSize = await sizeName(context, request.machineType, need, control);
  const subnet = await subnetFor(context, options.subnet, ports, control);
  const guest = guestOf(request, content);
  const disk = await snapshotDisk(context, request, content, options, control);
  const body = {
    location,
    ...placeOf(options, content.facts.plan),
    hardwareProfile: { vmSize },
    storageProfile: storageOf(request, content, options, disk),
    ...guest,
    networkProfile: {
      networkApiVersion,
      networkInterfaceConfigurations: [interfaceOf(context, request, options, subnet)],
    },
    ...securityOf(content, options),
    // What it prints is kept by Azure itself: no storage account is needed.
    diagnosticsProfile: { bootDiagnostics: { enabled: true } },
    ...priceOf(options),
  };
  const own = { ports: [...new Set([22, ...ports])].join(' ') };
  const creation = { name, labels, idempotencyKey, own, metadata, body };
  try {
    return await makeResource(context, kind, creation, control);
  } catch (error) {
    const stays = ImgkitError.is(error, 'PENDING') || ImgkitError.is(error, 'ALREADY_EXISTS');
    if (!stays) await undo(context, [context.id(kind.type, name), disk], idempotencyKey);
    throw error;
  }
}

/**
 * Removes what is left of a machine that could not be made, and nothing that somebody else has made under its name
 * meanwhile. What can't be removed now is told, and has its labels.
 */
async function undo(
  context: AzureContext,
  ids: readonly (string | undefined)[],
  idempotencyKey: string,
): Promise<void> {
  const { client, logger } = context;
  const key = keyDigest(idempotencyKey);
  for (const id of ids)
    try {
      const standing = id === undefined ? undefined : await ifThere(() => client.get(id));
      if (id === undefined || ownOf(standing).key !== key) continue;
      await ended(context, await client.delete(id), {});
    } catch (cause) {
      logger.warn('a part of a machine that failed could not be removed', { id, cause });
    }
}

function check({ name, expiresAt, warmStart }: LaunchRequest): void {
  if (typeof name !== 'string' || !machineName.pattern.test(name))
    throw invalid(`"${name}" can't be the name of an instance`, `Use ${machineName.description}.`);
  if (warmStart !== undefined)
    throw new ImgkitError('UNSUPPORTED', 'Azure has no saved states to start from', {
      hint: 'Leave `warmStart` out.',
    });
  // Azure removes no machine by itself, as the traits say; what can't be an instant is still refused.
  if (expiresAt === undefined) return;
  if (!/^\d{4}-\d\d-\d\dT/.test(expiresAt) || Number.isNaN(Date.parse(expiresAt)))
    throw invalid(
      `"${expiresAt}" isn't an instant`,
      'Write `expiresAt` as ISO 8601, with the time zone: 2026-11-21T09:00:00Z.',
    );
}

function guestOf(request: LaunchRequest, { imageReference, facts }: BootContent): WireObject {
  if (imageReference !== undefined && facts.osState !== 'Specialized')
    return { osProfile: toOsProfile(request) };
  const userData = toUserData(request);
  return userData === undefined ? {} : { userData };
}

function storageOf(
  { name, boot, bootDiskSizeBytes, disks = [] }: LaunchRequest,
  content: BootContent,
  options: AzureMachineOptions,
  made: string | undefined,
): WireObject {
  const managedDisk = diskKind(options);
  const size =
    bootDiskSizeBytes === undefined ? {} : { diskSizeGB: Math.ceil(bootDiskSizeBytes / gib) };
  const attached = {
    createOption: 'Attach',
    osType: content.facts.osType ?? 'Linux',
    managedDisk: { id: made ?? content.id },
    deleteOption: boot.kind === 'disk' ? 'Detach' : 'Delete',
  };
  const fresh = {
    createOption: 'FromImage',
    name: `${name}-os`,
    ...size,
    ...(options.ephemeralOsDisk === undefined
      ? { caching: 'ReadWrite', managedDisk: { ...managedDisk, ...confidential(content, options) } }
      : {
          caching: 'ReadOnly',
          diffDiskSettings: { option: 'Local', placement: options.ephemeralOsDisk },
        }),
    deleteOption: 'Delete',
  };
  const { imageReference } = content;
  return {
    ...(imageReference === undefined ? { osDisk: attached } : { imageReference, osDisk: fresh }),
    dataDisks: disks.map((disk, lun) => dataDisk(name, disk, lun, managedDisk)),
  };
}

function dataDisk(name: string, disk: ExtraDisk, lun: number, managedDisk: WireObject): WireObject {
  if ('disk' in disk) {
    const found = parseIdOf('Microsoft.Compute/disks', disk.disk);
    if (found === undefined)
      throw new ImgkitError('NOT_FOUND', `"${disk.disk}" is not the id of a disk`, {
        resource: disk.disk,
      });
    return {
      lun,
      createOption: 'Attach',
      managedDisk: { id: formatId(found) },
      deleteOption: 'Detach',
    };
  }
  const { sizeBytes, deleteWithInstance = true } = disk;
  if (!Number.isSafeInteger(sizeBytes) || sizeBytes <= 0)
    throw invalid(
      `a disk can't have a size of ${sizeBytes} bytes`,
      'Give a whole number of bytes.',
    );
  return {
    lun,
    createOption: 'Empty',
    name: `${name}-data-${lun}`,
    diskSizeGB: Math.ceil(sizeBytes / gib),
    managedDisk,
    deleteOption: deleteWithInstance ? 'Delete' : 'Detach',
  };
}

function diskKind({ diskSku = 'StandardSSD_LRS', diskEncryptionSetId }: AzureMachineOptions) {
  return {
    storageAccountType: diskSku,
    ...(diskEncryptionSetId === undefined
      ? {}
      : { diskEncryptionSet: { id: diskEncryptionSetId } }),
  };
}

function confidential(content: BootContent, options: AzureMachineOptions): WireObject {
  return typeOf(content, options) === 'ConfidentialVM'
    ? { securityProfile: { securityEncryptionType: 'VMGuestStateOnly' } }
    : {};
}

/** What the image asks for: some can only be had with more security. */
function typeOf({ facts }: BootContent, { securityType }: AzureMachineOptions): string | undefined {
  const required = ['TrustedLaunch', 'ConfidentialVM'].find((type) => type === facts.securityType);
  return securityType ?? required;
}

function securityOf(content: BootContent, options: AzureMachineOptions): WireObject {
  const securityType = typeOf(content, options);
  if (securityType === undefined || securityType === 'Standard') return {};
  const uefiSettings = { secureBootEnabled: options.secureBoot ?? true, vTpmEnabled: true };
  return { securityProfile: { securityType, uefiSettings } };
}

/** The interface of a new machine, which goes with it. */
export function interfaceOf(
  { settings }: AzureContext,
  { name, labels = {} }: Pick<LaunchRequest, 'name' | 'labels'>,
  options: AzureMachineOptions,
  subnet: string,
): WireObject {
  const { publicAddress = settings.address === 'public' } = options;
  const { networkSecurityGroup: group, acceleratedNetworking } = options;
  return {
    name: `${name}-nic`,
    tags: labels,
    primary: true,
    deleteOption: 'Delete',
    ...(acceleratedNetworking === undefined
      ? {}
      : { enableAcceleratedNetworking: acceleratedNetworking }),
    ...(group === undefined ? {} : { networkSecurityGroup: { id: group } }),
    ipConfigurations: [
      {
        name: 'first',
        primary: true,
        subnet: { id: subnet },
        ...(publicAddress
          ? {
              publicIPAddressConfiguration: {
                name: `${name}-ip`,
                tags: labels,
                sku: { name: 'Standard' },
                publicIPAllocationMethod: 'Static',
                deleteOption: 'Delete',
              },
            }
          : {}),
      },
    ],
  };
}

/** @throws {@link ImgkitError} with `INVALID_ARGUMENT` for what can't be a port. */
export function checkedPort(port: number): number {
  if (Number.isInteger(port) && port > 0 && port < 65_536) return port;
  throw invalid(`${port} can't be a port`, 'Ports are 1 to 65535.');
}
