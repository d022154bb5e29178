import { createHash } from 'node:crypto';

import { ImgkitError, type ExtraDisk, type MachineTemplate } from '@imgkit/core';

import { number, object, objects, text, type WireObject } from '../api/wire.ts';
import type { AzureContext } from '../context.ts';
import { invalid } from '../images/image-request.ts';
import { toOsProfile, toUserData } from '../machines/guest-data.ts';
import { readMachineOptions, type AzureMachineOptions } from '../machines/machine-options.ts';
import type { FleetImage } from './fleet-image.ts';
import type { AzureFleetOptions } from './fleet-options.ts';

const gib = 2 ** 30;

/** What a new scale set is made of beside its template. */
export interface ProfilePlan {
  readonly name: string;
  readonly image: FleetImage;
  readonly subnet: string;
  readonly machine: AzureMachineOptions;
  readonly options: AzureFleetOptions;
}

/**
 * Checks the template of a fleet.
 *
 * @throws {@link ImgkitError} with `INVALID_ARGUMENT`, or `UNSUPPORTED` for what scale sets don't have.
 */
export function checkFleetTemplate(template: MachineTemplate): AzureMachineOptions {
  if (template?.boot?.kind !== 'image')
    throw new ImgkitError('UNSUPPORTED', 'the machines of a fleet boot from an image', {
      hint: 'Make an image of the disk or the snapshot first.',
    });
  for (const disk of template.disks ?? [])
    if ('disk' in disk)
      throw invalid(
        'the machines of a fleet can’t share a disk',
        'Give the size of a new one, which each machine gets for itself.',
      );
  return readMachineOptions(template.providerOptions);
}

/** The model of the machines of a new scale set. */
export function toProfile(
  context: AzureContext,
  template: MachineTemplate,
  { name, image, subnet, machine, options }: ProfilePlan,
): WireObject {
  const { diskSku: storageAccountType = 'StandardSSD_LRS', diskEncryptionSetId } = machine;
  const managedDisk = {
    storageAccountType,
    ...(diskEncryptionSetId === undefined
      ? {}
      : { diskEncryptionSet: { id: diskEncryptionSetId } }),
  };
  const size = template.bootDiskSizeBytes;
  return {
    storageProfile: {
      imageReference: image.reference,
      osDisk: {
        createOption: 'FromImage',
        caching: 'ReadWrite',
        managedDisk,
        ...(size === undefined ? {} : { diskSizeGB: Math.ceil(size / gib) }),
      },
      dataDisks: (template.disks ?? []).map((disk, lun) => dataDisk(disk, lun, managedDisk)),
    },
    ...toGuest(name, template, image),
    networkProfile: toNetwork(context, subnet, machine, options),
    ...toPrice(machine),
    ...toSecurity(image, machine),
    ...toHealthExtension(image, options.health),
  };
}

function dataDisk(disk: ExtraDisk, lun: number, managedDisk: WireObject): WireObject {
  const diskSizeGB = 'sizeBytes' in disk ? Math.ceil(disk.sizeBytes / gib) : 1;
  return { lun, createOption: 'Empty', diskSizeGB, managedDisk };
}

/** What the machines are told at their first boot, as one machine is. */
export function toGuest(name: string, template: MachineTemplate, image: FleetImage): WireObject {
  if (image.specialized) {
    const userData = toUserData({ ...template, name });
    return userData === undefined ? {} : { userData };
  }
  if (image.osType === 'Windows')
    throw new ImgkitError('UNSUPPORTED', 'imgkit sets no machines of Windows up', {
      resource: name,
      hint: 'Azure wants a password for them, which this contract has no place for. Specialized images of Windows do.',
    });
  const { computerName: _, ...osProfile } = toOsProfile({ ...template, name });
  return {
    osProfile: { computerNamePrefix: name.replaceAll('_', '-').slice(0, 50), ...osProfile },
  };
}

/** What a template tells its machines, as a digest: Azure never gives it back, so that it couldn't be compared. */
export function guestDigest({
  authorizedKeys = [],
  startupScript,
  userData,
}: Pick<MachineTemplate, 'authorizedKeys' | 'startupScript' | 'userData'>): string {
  const told = JSON.stringify([authorizedKeys, startupScript ?? null, userData ?? null]);
  return createHash('sha256').update(told).digest('hex').slice(0, 40);
}

/**
 * Refuses a template that differs from what stands in what a scale set can't change, or not without losing something.
 *
 * @throws {@link ImgkitError} with `UNSUPPORTED`.
 */
export function refuseOtherMachines(
  set: WireObject,
  { disks, bootDiskSizeBytes }: MachineTemplate,
  { subnet }: AzureMachineOptions,
): void {
  const profile = object(set, 'virtualMachineProfile');
  const storage = object(profile, 'storageProfile');
  const [card] = objects(object(profile, 'networkProfile'), 'networkInterfaceConfigurations');
  const [ip] = objects(card, 'ipConfigurations');
  const inside = text(object(ip, 'subnet'), 'id');
  const standing = objects(storage, 'dataDisks').map((disk) => number(disk, 'diskSizeGB'));
  const wanted = disks?.map((disk) => ('sizeBytes' in disk ? Math.ceil(disk.sizeBytes / gib) : 0));
  const bootSize = bootDiskSizeBytes && Math.ceil(bootDiskSizeBytes / gib);
  const standingBoot = number(object(storage, 'osDisk'), 'diskSizeGB');
  const differing = [
    wanted !== undefined && wanted.join(' ') !== standing.join(' ') && 'disks',
    bootSize !== undefined && bootSize !== standingBoot && 'bootDiskSizeBytes',
    subnet !== undefined && subnet.toLowerCase() !== inside?.toLowerCase() && 'subnet',
  ].find((what) => what !== false);
  if (differing === undefined) return;
  throw new ImgkitError('UNSUPPORTED', `a rollout can't change the ${differing} of the machines`, {
    hint: 'It changes the image, the size, and what machines are told. Make another fleet for the rest.',
  });
}

function toNetwork(
  { settings }: AzureContext,
  subnet: string,
  { networkSecurityGroup, acceleratedNetworking, publicAddress }: AzureMachineOptions,
  { health, loadBalancerPools = [] }: AzureFleetOptions,
): WireObject {
  const isPublic =
    publicAddress ?? (settings.address === 'public' && loadBalancerPools.length === 0);
  const address = { name: 'public', deleteOption: 'Delete', sku: { name: 'Standard' } };
  return {
    ...(health !== undefined && 'probe' in health ? { healthProbe: { id: health.probe } } : {}),
    networkInterfaceConfigurations: [
      {
        name: 'nic',
        primary: true,
        ...(acceleratedNetworking === undefined
          ? {}
          : { enableAcceleratedNetworking: acceleratedNetworking }),
        ...(networkSecurityGroup === undefined
          ? {}
          : { networkSecurityGroup: { id: networkSecurityGroup } }),
        ipConfigurations: [
          {
            name: 'first',
            primary: true,
            subnet: { id: subnet },
            ...(isPublic ? { publicIPAddressConfiguration: address } : {}),
            ...(loadBalancerPools.length === 0
              ? {}
              : { loadBalancerBackendAddressPools: loadBalancerPools.map((id) => ({ id })) }),
          },
        ],
      },
    ],
  };
}

function toPrice({ spot = false }: AzureMachineOptions): WireObject {
  if (spot === false) return {};
  const { maxPrice = -1, eviction = 'Delete' } = spot === true ? {} : spot;
  return { priority: 'Spot', evictionPolicy: eviction, billingProfile: { maxPrice } };
}

function toSecurity(
  { security }: FleetImage,
  { securityType: wanted, secureBoot = true }: AzureMachineOptions,
): WireObject {
  const securityType = wanted ?? security;
  if (securityType !== 'TrustedLaunch' && securityType !== 'ConfidentialVM') return {};
  const uefiSettings = { secureBootEnabled: secureBoot, vTpmEnabled: true };
  return { securityProfile: { securityType, uefiSettings } };
}

/** https://learn.microsoft.com/azure/virtual-machine-scale-sets/virtual-machine-scale-sets-health-extension */
function toHealthExtension(
  { osType }: FleetImage,
  health: AzureFleetOptions['health'],
): WireObject {
  if (health === undefined || 'probe' in health) return {};
  const { protocol, port, path } = health;
  return {
    extensionProfile: {
      extensions: [
        {
          name: 'imgkit-health',
          publisher: 'Microsoft.ManagedServices',
          typePropertiesType: `ApplicationHealth${osType}`,
          typeHandlerVersion: '1.0',
          autoUpgradeMinorVersion: true,
          settings: { protocol, port, ...(path === undefined ? {} : { requestPath: path }) },
        },
      ],
    },
  };
}
