import type {
  CallOptions,
  HostKey,
  LaunchRequest,
  MachineTemplate,
  OperationControl,
  RestoreRequest,
} from '@imgkit/core';
import { ImgkitError } from '@imgkit/core';

import type { GlanceImage } from '../glance/glance-image.ts';
import { localDisk } from '../instances/block-devices.ts';
import { launchServer } from '../instances/launch.ts';
import { planServer, type ServerPlan } from '../instances/server-plan.ts';
import { toLabels } from '../mapping.ts';
import type { NovaServer } from '../nova/nova-server.ts';
import type { CloudContext } from '../resources/context.ts';
import { readConfiguration, type MachineConfiguration } from './configuration.ts';
import { knownRecord, toMachineImage } from './record.ts';

/**
 * Launches a server of a machine image: what the request doesn't say is as it was.
 *
 * @throws as a launch does, `NOT_FOUND` for the machine image, and `FAILED_PRECONDITION` when it isn't READY.
 */
export async function restoreServer(
  context: CloudContext,
  request: RestoreRequest,
  control: OperationControl,
): Promise<NovaServer> {
  const { machineImage, ...overrides } = request;
  const record = await knownRecord(context, machineImage, control);
  const { status } = await toMachineImage(context, record, control);
  const held = readConfiguration(record);
  if (status !== 'READY' || held === undefined)
    throw new ImgkitError('FAILED_PRECONDITION', `machine image "${machineImage}" is ${status}`, {
      resource: machineImage,
      hint: status === 'PENDING' ? 'Wait until it is READY.' : 'A part of it is gone: use another.',
    });
  const launch: LaunchRequest = {
    ...overrides,
    boot: bootOf(context, record, held),
    machineType: overrides.machineType ?? (await sizeOf(context, held, control)),
    labels: overrides.labels ?? keptLabels(record),
    metadata: overrides.metadata ?? held.metadata,
    ports: overrides.ports ?? held.ports?.filter((port) => port !== 22),
    providerOptions: { ...heldOptions(held), ...overrides.providerOptions },
  };
  const planner = (
    at: CloudContext,
    template: MachineTemplate,
    hostKey: HostKey | undefined,
    options: CallOptions,
  ): Promise<ServerPlan> => planRestored(at, template, { held, record, hostKey }, options);
  return launchServer(context, launch, control, planner);
}

function bootOf(
  context: CloudContext,
  record: GlanceImage,
  { disks: [boot] }: MachineConfiguration,
): MachineTemplate['boot'] {
  return boot?.snapshot === undefined
    ? { kind: 'image', image: context.ref(record.id) }
    : { kind: 'snapshot', snapshot: boot.snapshot };
}

/** The flavor as it was, or one that has as much where that is gone. */
async function sizeOf(
  context: CloudContext,
  { flavor }: MachineConfiguration,
  options: CallOptions,
): Promise<MachineTemplate['machineType']> {
  const flavors = await context.nova.flavors(options);
  const same = flavors.find(({ id, name }) => id === flavor.id || name === flavor.name);
  return same?.name ?? { cpus: flavor.cpus, memoryBytes: flavor.memoryMib * 2 ** 20 };
}

/** Who owned the machine image doesn't own what is made of it. */
function keptLabels(record: GlanceImage): Record<string, string> {
  const entries = Object.entries(toLabels(record));
  return Object.fromEntries(entries.filter(([key]) => !key.startsWith('imgkit-')));
}

function heldOptions(held: MachineConfiguration): Record<string, unknown> {
  const { networks, securityGroups, availabilityZone, floatingNetwork } = held;
  const { configDrive, diskConfig } = held;
  return {
    ...(networks !== undefined && { networks: networks.length === 0 ? 'none' : networks }),
    ...(securityGroups.length > 0 && { securityGroups }),
    ...(availabilityZone !== undefined && { availabilityZone }),
    ...(floatingNetwork !== undefined && { floatingNetwork }),
    configDrive,
    ...(diskConfig !== undefined && { diskConfig }),
  };
}

async function planRestored(
  context: CloudContext,
  template: MachineTemplate,
  {
    held,
    record,
    hostKey,
  }: {
    readonly held: MachineConfiguration;
    readonly record: GlanceImage;
    readonly hostKey: HostKey | undefined;
  },
  options: CallOptions,
): Promise<ServerPlan> {
  const plan = await planServer(context, template, hostKey, options);
  const { server } = plan;
  const { keyName, serverGroup } = held;
  const [keyPairs, hasGroup] = await Promise.all([
    context.nova.keyPairs(options),
    serverGroup === undefined ? false : context.nova.hasServerGroup(serverGroup, options),
  ]);
  return {
    ...plan,
    server: {
      ...server,
      user_data: server.user_data ?? held.userData,
      key_name: keyName !== undefined && keyPairs.includes(keyName) ? keyName : undefined,
      hints: hasGroup && serverGroup !== undefined ? { group: serverGroup } : undefined,
      block_device_mapping_v2:
        template.disks === undefined
          ? withVolumes(server.block_device_mapping_v2, held, context.ref(record.id))
          : server.block_device_mapping_v2,
    },
  };
}

/** The further disks, each of its snapshot, in their order. */
function withVolumes(
  planned: ServerPlan['server']['block_device_mapping_v2'],
  { disks }: MachineConfiguration,
  image: { readonly provider: string; readonly id: string },
): ServerPlan['server']['block_device_mapping_v2'] {
  const further = disks.flatMap(({ boot, snapshot, deleteWithInstance }) =>
    boot || snapshot === undefined
      ? []
      : [
          {
            source_type: 'snapshot',
            uuid: snapshot,
            destination_type: 'volume',
            boot_index: -1,
            delete_on_termination: deleteWithInstance,
          },
        ],
  );
  if (further.length === 0) return planned;
  return [...(planned ?? [localDisk({ kind: 'image', image })]), ...further];
}
