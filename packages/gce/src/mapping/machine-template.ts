import { ImgkitError, type Architecture, type ExtraDisk, type MachineTemplate } from '@imgkit/core';

import type { WireObject } from '../api/wire.ts';
import { encryptionKey } from '../resources/provider-options.ts';
import { regionOf } from '../resources/resource-id.ts';
import { machineTypeName } from './machine-type.ts';
import type { GceMachineOptions } from './machine-options.ts';
import { toMetadata } from './metadata.ts';
import { gib } from '../mapping.ts';

/** Where machines are made, and what of. */
export interface MachinePlan {
  readonly project: string;
  /** `zones/us-central1-a` for an instance; `regions/us-central1` or `global` for a template. */
  readonly scope: string;
  /** The name of the machine, which its new disks are called after; none in a template. */
  readonly name?: string | undefined;
  /** The processor that the boot source is for. */
  readonly architecture?: Architecture | undefined;
  /** The labels of the machine and its new disks, as Google takes them. */
  readonly labels: Readonly<Record<string, string>>;
  readonly options: GceMachineOptions;
  /** Tells this launch from others; see the startup script. */
  readonly launch: string;
  /** When the machine is to remove itself, as an ISO 8601 instant. */
  readonly expiresAt?: string | undefined;
}

const allScopes = 'https://www.googleapis.com/auth/cloud-platform';

/**
 * The fields that instances and the properties of templates have in common. Types of machines and disks are
 * URLs for an instance, and bare names for a template, which is used in many zones.
 *
 * @throws {@link ImgkitError} with `INVALID_ARGUMENT` for wishes that Google has nothing for.
 */
export function toMachine(template: MachineTemplate, plan: MachinePlan): WireObject {
  const { machineType, boot, metadata, authorizedKeys, startupScript, userData, ports } = template;
  const { options, architecture, launch } = plan;
  const image = boot.kind === 'image' ? boot.image.id : undefined;
  return {
    machineType: typeUrl(plan, 'machineTypes', machineTypeName(machineType, architecture)),
    labels: plan.labels,
    disks: [
      bootDisk(template, plan),
      ...(template.disks ?? []).map((disk, index) => extraDisk(disk, index, plan)),
    ],
    networkInterfaces: [networkInterface(plan)],
    metadata: toMetadata({
      metadata,
      authorizedKeys,
      startupScript,
      userData,
      ports,
      image,
      launch,
    }),
    ...toSettings(plan),
    description: options.description,
  };
}

/** Scheduling, identity and the like: what is also a change of what a machine image holds. */
export function toSettings({
  options,
  expiresAt,
}: Pick<MachinePlan, 'options' | 'expiresAt'>): WireObject {
  const { tags, serviceAccount, scopes, spot, shielded, minCpuPlatform } = options;
  return {
    scheduling: toScheduling(spot === true, expiresAt),
    tags: tags && { items: tags },
    serviceAccounts:
      serviceAccount === undefined
        ? undefined
        : [{ email: serviceAccount, scopes: scopes ?? [allScopes] }],
    shieldedInstanceConfig: shielded && {
      enableSecureBoot: shielded.secureBoot,
      enableVtpm: shielded.vtpm,
      enableIntegrityMonitoring: shielded.integrityMonitoring,
    },
    minCpuPlatform,
  };
}

/** How a machine is connected. What may come in is for the firewall rules of the network to say. */
export function networkInterface({
  project,
  scope,
  options,
}: Pick<MachinePlan, 'project' | 'scope' | 'options'>): WireObject {
  const { network, subnet, externalAddress = true } = options;
  const region = regionOf(scope);
  if (subnet !== undefined && !subnet.includes('/') && region === undefined)
    throw invalid(`the subnet "${subnet}" is in no region here`, 'Give its URL.');
  const wide = network ?? (subnet === undefined ? 'default' : undefined);
  return {
    network: wide && partUrl(wide, `projects/${project}/global/networks`),
    subnetwork: subnet && partUrl(subnet, `projects/${project}/regions/${region}/subnetworks`),
    accessConfigs: externalAddress ? [{ name: 'External NAT', type: 'ONE_TO_ONE_NAT' }] : undefined,
  };
}

/** The URL of a machine type or disk type where it is needed, else its name. */
export function typeUrl(
  { project, scope }: Pick<MachinePlan, 'project' | 'scope'>,
  collection: 'machineTypes' | 'diskTypes',
  name: string,
): string {
  if (name.includes('/') || !scope.startsWith('zones/')) return name;
  return `projects/${project}/${scope}/${collection}/${name}`;
}

/** A size as Google has them: whole GiB, rounded up. */
export function toGib(bytes: number): string {
  return String(Math.ceil(bytes / gib));
}

/** @throws {@link ImgkitError} with `INVALID_ARGUMENT` if a size is none, or smaller than what it is to hold. */
export function checkSize(what: string, bytes: number | undefined, least = 1): void {
  if (bytes === undefined || (Number.isSafeInteger(bytes) && bytes >= least && bytes > 0)) return;
  throw invalid(
    `${what} can't have a size of ${bytes} bytes`,
    `Give a whole number of bytes, at least ${least}.`,
  );
}

function bootDisk({ boot, bootDiskSizeBytes }: MachineTemplate, plan: MachinePlan): WireObject {
  checkSize('the boot disk', bootDiskSizeBytes);
  if (boot.kind === 'disk') {
    if (bootDiskSizeBytes !== undefined)
      throw invalid('a disk that stands keeps its size', 'Leave `bootDiskSizeBytes` out.');
    return { boot: true, autoDelete: false, source: boot.disk };
  }
  return {
    boot: true,
    autoDelete: true,
    diskEncryptionKey: encryptionKey(plan.options),
    initializeParams: {
      ...newDisk(plan, plan.name, bootDiskSizeBytes),
      ...(boot.kind === 'image'
        ? { sourceImage: boot.image.id }
        : { sourceSnapshot: boot.snapshot }),
    },
  };
}

function extraDisk(disk: ExtraDisk, index: number, plan: MachinePlan): WireObject {
  if ('disk' in disk) return { boot: false, autoDelete: false, source: disk.disk };
  checkSize('a disk', disk.sizeBytes);
  const { name } = plan;
  return {
    boot: false,
    autoDelete: disk.deleteWithInstance ?? true,
    diskEncryptionKey: encryptionKey(plan.options),
    initializeParams: newDisk(plan, name && furtherDiskName(name, index + 1), disk.sizeBytes),
  };
}

function newDisk(
  plan: MachinePlan,
  diskName: string | undefined,
  sizeBytes: number | undefined,
): WireObject {
  return {
    diskName,
    diskSizeGb: sizeBytes === undefined ? undefined : toGib(sizeBytes),
    diskType: typeUrl(plan, 'diskTypes', plan.options.diskType ?? 'pd-balanced'),
    labels: plan.labels,
  };
}

/** The name of a further disk: names have at most 63 characters. */
function furtherDiskName(machine: string, index: number): string {
  const end = `-disk-${index}`;
  return `${machine.slice(0, 63 - end.length)}${end}`;
}

/** How a machine is run, and when it ends; nothing when Google's defaults do. */
export function toScheduling(spot: boolean, expiresAt: string | undefined): WireObject | undefined {
  if (!spot && expiresAt === undefined) return undefined;
  return {
    ...(spot && {
      provisioningModel: 'SPOT',
      automaticRestart: false,
      onHostMaintenance: 'TERMINATE',
    }),
    ...(expiresAt !== undefined && { terminationTime: expiresAt }),
    instanceTerminationAction: expiresAt === undefined ? 'STOP' : 'DELETE',
  };
}

function partUrl(name: string, collection: string): string {
  return name.includes('/') ? name : `${collection}/${name}`;
}

function invalid(message: string, hint: string): ImgkitError {
  return new ImgkitError('INVALID_ARGUMENT', message, { hint });
}
