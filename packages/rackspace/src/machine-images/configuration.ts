import { ImgkitError, type CallOptions } from '@imgkit/core';
import { z } from 'zod';

import { notFound } from '../errors.ts';
import type { GlanceImage } from '../glance/glance-image.ts';
import { attachedVolumes } from '../instances/attached-volumes.ts';
import { isGone } from '../instances/instance-view.ts';
import { diskConfigs } from '../instances/machine-options.ts';
import { labelsOfName } from '../instances/ownership.ts';
import { imageOf } from '../instances/server-image.ts';
import { readServerMetadata } from '../instances/server-metadata.ts';
import type { NovaServer } from '../nova/nova-server.ts';
import type { CloudContext } from '../resources/context.ts';
import type { Properties } from '../resources/image-access.ts';
import { readText, textProperties } from '../resources/property-text.ts';
import { fromGib } from '../volumes/volume-kind.ts';

const heldDisk = z.object({
  boot: z.boolean(),
  sizeBytes: z.number(),
  deleteWithInstance: z.boolean(),
  /** Nothing for the boot disk that is in the image itself. */
  volume: z.string().optional(),
  /** The snapshot of the volume, as soon as there is one. */
  snapshot: z.string().optional(),
  device: z.string().optional(),
});

/** All of a server that can be had again, but for what its disks hold. */
const machineConfiguration = z.object({
  version: z.literal(1),
  flavor: z.object({
    id: z.string().optional(),
    name: z.string(),
    cpus: z.number(),
    memoryMib: z.number(),
  }),
  metadata: z.record(z.string(), z.string()),
  ports: z.array(z.number()).optional(),
  floatingNetwork: z.string().optional(),
  keyName: z.string().optional(),
  userData: z.string().optional(),
  configDrive: z.boolean(),
  availabilityZone: z.string().optional(),
  /** Nothing in machine images of before it was kept. */
  diskConfig: z.enum(diskConfigs).optional(),
  /** Nothing where the cloud doesn't tell. */
  networks: z.array(z.string()).optional(),
  securityGroups: z.array(z.string()),
  serverGroup: z.string().optional(),
  /** In the order of their devices, the boot disk first. */
  disks: z.array(heldDisk),
});

export type MachineConfiguration = z.infer<typeof machineConfiguration>;
export type HeldDisk = z.infer<typeof heldDisk>;

const property = 'imgkit:configuration';

/** What a machine image's record says of the machine; nothing before it was found out. */
export function readConfiguration(record: GlanceImage): MachineConfiguration | undefined {
  const text = readText(record, property);
  if (text === undefined) return undefined;
  try {
    return machineConfiguration.parse(JSON.parse(text));
  } catch (error) {
    throw new ImgkitError('PROTOCOL', `machine image "${record.id}" can't be understood`, {
      resource: record.id,
      hint: 'It was changed by hand, or made by a later version of imgkit.',
      cause: error,
    });
  }
}

/** The configuration as properties of a record. */
export function configurationProperties(
  record: GlanceImage | undefined,
  configuration: MachineConfiguration,
): Properties {
  return textProperties(record, property, JSON.stringify(configuration));
}

/**
 * The server, and all that is to be kept of it.
 *
 * @throws `NOT_FOUND`.
 */
export async function describeServer(
  context: CloudContext,
  id: string,
  options: CallOptions,
): Promise<{ readonly server: NovaServer; readonly configuration: MachineConfiguration }> {
  const server = await context.nova.details(id, options).catch((error: unknown) => {
    throw ImgkitError.is(error, 'NOT_FOUND') ? notFound('instance', id) : error;
  });
  if (id === '' || isGone(server)) throw notFound('instance', id);
  const { metadata, ports, floatingNetwork } = readServerMetadata(server);
  const [flavor, networks, disks] = await Promise.all([
    flavorOf(context, server, options),
    context.nova.networksOf(id, options),
    disksOf(context, server, options),
  ]);
  const keyName = server.key_name ?? undefined;
  const [boot] = disks;
  const configuration: MachineConfiguration = {
    version: 1,
    flavor: { ...(flavor.id && { id: flavor.id }), ...flavor.size },
    metadata: { ...metadata },
    ports: ports && [...ports],
    floatingNetwork,
    // The key pair of one launch is gone after it.
    keyName: keyName !== undefined && labelsOfName(keyName) === undefined ? keyName : undefined,
    userData: server['OS-EXT-SRV-ATTR:user_data'] ?? undefined,
    configDrive: (server.config_drive ?? '') !== '',
    availabilityZone: server['OS-EXT-AZ:availability_zone'] || undefined,
    diskConfig: diskConfigs.find((one) => one === server['OS-DCF:diskConfig']),
    networks: networks && [...new Set(networks)],
    securityGroups: [...new Set((server.security_groups ?? []).map(({ name }) => name))],
    serverGroup: server.server_groups?.[0],
    disks:
      boot?.boot === true
        ? disks
        : [
            {
              boot: true,
              sizeBytes: fromGib(flavor.diskGib) || (await imageBytes(context, server, options)),
              deleteWithInstance: true,
            },
            ...disks,
          ],
  };
  return { server, configuration };
}

async function flavorOf(context: CloudContext, { flavor }: NovaServer, options: CallOptions) {
  const { id, original_name: name, vcpus, ram, disk } = flavor;
  const found =
    name === undefined && id !== undefined ? await context.flavors.find(id, options) : undefined;
  return {
    id,
    size: {
      name: name ?? found?.name ?? id ?? '',
      cpus: vcpus ?? found?.vcpus ?? 1,
      memoryMib: ram ?? found?.ram ?? 1,
    },
    diskGib: disk ?? found?.disk ?? 0,
  };
}

async function disksOf(
  context: CloudContext,
  server: NovaServer,
  options: CallOptions,
): Promise<HeldDisk[]> {
  const volumes = await attachedVolumes(context, server, options);
  return volumes.map(({ native, boot, deleteWithInstance, device }) => ({
    boot,
    sizeBytes: fromGib(native.size),
    deleteWithInstance,
    volume: native.id,
    device: device || undefined,
  }));
}

async function imageBytes(
  context: CloudContext,
  server: NovaServer,
  options: CallOptions,
): Promise<number> {
  const id = imageOf(server);
  if (id === undefined) return 0;
  const image = await context.glance.get(id, options).catch(() => undefined);
  return image?.virtual_size ?? image?.size ?? 0;
}
