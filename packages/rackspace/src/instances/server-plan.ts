import {
  checkedGuestUser,
  checkedPublicKey,
  guestUserData,
  type CallOptions,
  type HostKey,
  type MachineTemplate,
} from '@imgkit/core';

import { toImage } from '../mapping.ts';
import type { NewPort, NewServer } from '../nova/nova-server.ts';
import type { CloudContext } from '../resources/context.ts';
import { usableImage } from '../resources/image-access.ts';
import { checkLabels, invalid } from '../resources/rules.ts';
import { blockDevices } from './block-devices.ts';
import { readMachineOptions, type MachineOptions } from './machine-options.ts';
import { externalNetwork, networkId } from './networks.ts';
import { toServerMetadata } from './server-metadata.ts';

/** Nova takes so much user data, in Base64. https://docs.openstack.org/api-ref/compute/#create-server */
const maxUserData = 65_535;

/** What servers of a template are made with, looked up and checked; nothing is made yet. */
export interface ServerPlan {
  readonly server: Omit<NewServer, 'name' | 'metadata'>;
  /** Entries of its metadata that are imgkit's own. */
  readonly notes?: Readonly<Record<string, string>> | undefined;
  /** The id of the network of which each gets a floating address. */
  readonly floatingNetwork?: string | undefined;
}

/** Looks up what a server is made with. */
export type Planner = (
  context: CloudContext,
  template: MachineTemplate,
  hostKey: HostKey | undefined,
  options: CallOptions,
) => Promise<ServerPlan>;

/** @throws `INVALID_ARGUMENT` for what can be told from a template alone. */
export function checkTemplate(template: MachineTemplate): MachineOptions {
  const { authorizedKeys = [], metadata = {}, labels = {}, ports = [] } = template;
  if (template.startupScript !== undefined && template.userData !== undefined)
    throw invalid(
      'startupScript and userData are both given',
      'Give one: user data can hold the script.',
    );
  for (const key of authorizedKeys) {
    checkedGuestUser(key.user);
    checkedPublicKey(key);
  }
  for (const port of ports) {
    if (!Number.isSafeInteger(port) || port < 1 || port > 65_535)
      throw invalid(`${port} is not a TCP port`, 'Use a whole number from 1 to 65535.');
  }
  checkLabels(labels);
  toServerMetadata({ labels, metadata, ports });
  toUserData(template, undefined);
  return readMachineOptions(template.providerOptions);
}

/**
 * Looks up what a server is made of.
 *
 * @throws `INVALID_ARGUMENT`, `NOT_FOUND`, `IMAGE_OBSOLETE`, `IMAGE_DELETED`, or `UNSUPPORTED` for volumes where
 *   the cloud has none.
 */
export async function planServer(
  context: CloudContext,
  template: MachineTemplate,
  hostKey: HostKey | undefined,
  options: CallOptions,
): Promise<ServerPlan> {
  const own = checkTemplate(template);
  const { boot, bootDiskSizeBytes, machineType } = template;
  const native =
    boot.kind === 'image' ? await usableImage(context, boot.image, options) : undefined;
  const imageBytes = native === undefined ? 0 : toImage(native, context).diskSizeBytes;
  checkSize(bootDiskSizeBytes, imageBytes);
  const bootsLocally = native !== undefined && own.bootVolume !== true;
  const diskBytes = Math.max(imageBytes, bootDiskSizeBytes ?? 0, 1);
  const [flavor, devices, networks, floatingNetwork] = await Promise.all([
    context.flavors.choose(
      {
        machineType,
        diskBytes: bootsLocally ? diskBytes : undefined,
        leastMemoryMib: native?.min_ram ?? undefined,
      },
      options,
    ),
    blockDevices(context, template, bootsLocally ? undefined : diskBytes, options),
    portsOf(context, own.networks, options),
    own.floatingNetwork && externalNetwork(context, own.floatingNetwork, options),
  ]);
  const server = {
    imageRef: bootsLocally ? native.id : undefined,
    flavorRef: flavor.id,
    networks,
    user_data: toUserData(template, hostKey),
    config_drive: own.configDrive ?? true,
    security_groups: own.securityGroups?.map((name) => ({ name })),
    availability_zone: own.availabilityZone,
    'OS-DCF:diskConfig': own.diskConfig,
    block_device_mapping_v2: devices,
  };
  return { server, floatingNetwork };
}

async function portsOf(
  context: CloudContext,
  networks: MachineOptions['networks'],
  options: CallOptions,
): Promise<NewServer['networks']> {
  if (networks === undefined || typeof networks === 'string') return networks;
  return Promise.all(
    networks.map(async (wanted): Promise<NewPort> => ({
      uuid: await networkId(context, wanted, options),
    })),
  );
}

/** The user data of a machine, in Base64; nothing when there is nothing to say. */
function toUserData(template: MachineTemplate, hostKey: HostKey | undefined): string | undefined {
  const { authorizedKeys = [], startupScript, userData } = template;
  const isEmpty =
    authorizedKeys.length === 0 &&
    hostKey === undefined &&
    startupScript === undefined &&
    userData === undefined;
  if (isEmpty) return undefined;
  const text = guestUserData({ authorizedKeys, hostKey, startupScript, userData });
  const encoded = Buffer.from(text).toString('base64');
  if (encoded.length <= maxUserData) return encoded;
  throw invalid(
    'the user data is too long',
    'OpenStack takes 48 KiB of it, keys and script included: have the guest fetch the rest.',
  );
}

function checkSize(bytes: number | undefined, least: number): void {
  if (bytes === undefined || (Number.isSafeInteger(bytes) && bytes >= Math.max(least, 1))) return;
  throw invalid(
    `the boot disk can't have a size of ${bytes} bytes`,
    `Give a whole number of bytes, at least ${least}.`,
  );
}
