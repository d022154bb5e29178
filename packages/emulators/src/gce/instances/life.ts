import { objectOf, objectsOf, textOf, type JsonObject } from '../../control-plane/json.ts';
import type { HardwareMachine } from '../../hardware/hardware.ts';
import { attachedDisk, detach } from '../disks/attachments.ts';
import { diskType, instanceType } from '../resources.ts';
import type { Stored, World } from '../state.ts';
import { timestamp } from '../values.ts';
import { isExternal, isStopped, machineTypeOf, type InstanceRecord } from './instance-record.ts';
import { effectiveMetadata, metadataOf, sshKeysOf } from './metadata.ts';
import { madeUpAddress, setAddress } from './network-interfaces.ts';
import { runTimeOf } from './scheduling.ts';
import { inTurn } from './turns.ts';

/** The longest time that a timer takes, in ms; longer ones are split. */
const longestTimer = 2 ** 30;

/** Makes an instance run: its machine is launched, it gets its address, and its time begins. */
export async function run(world: World, record: InstanceRecord): Promise<void> {
  const { resource, link } = record;
  const address = await power(world, record);
  if (isExternal(record)) {
    setAddress(record, address?.natIp ?? madeUpAddress(textOf(resource, 'id') ?? '0'));
  }
  const now = world.clock.now();
  resource['status'] = 'RUNNING';
  resource['lastStartTimestamp'] = timestamp(now);
  if (!world.hardware) record.printed += `${link} boots\n`;
  arm(world, record, now);
}

async function power({ hardware }: World, record: InstanceRecord) {
  const { resource, link, project } = record;
  if (resource['lastStartTimestamp'] !== undefined) {
    return await hardware?.startInstance(link, isExternal(record));
  }
  const type = machineTypeOf(record);
  return await hardware?.createInstance(link, {
    disks: objectsOf(resource, 'disks').flatMap((entry) => {
      const disk = attachedDisk(project, entry);
      return disk ? [disk.link] : [];
    }),
    cpus: type?.cpus ?? 1,
    memoryMb: type?.memoryMb ?? 1024,
    ...guestOf(
      effectiveMetadata(metadataOf({ metadata: project.commonMetadata }), metadataOf(resource)),
    ),
    external: isExternal(record),
  });
}

/** What a guest is told: some of its metadata goes another way than as plain data. */
function guestOf(
  all: Readonly<Record<string, string>>,
): Pick<HardwareMachine, 'authorizedKeys' | 'startupScript' | 'userData' | 'metadata'> {
  const {
    'ssh-keys': _,
    'startup-script': startupScript,
    'user-data': userData,
    ...metadata
  } = all;
  return { authorizedKeys: sshKeysOf(all, Date.now()), startupScript, userData, metadata };
}

/**
 * Stops an instance's machine.
 *
 * @param graceful - whether the guest is asked first.
 */
export async function halt(world: World, record: InstanceRecord, graceful: boolean): Promise<void> {
  record.disarm();
  if (!isStopped(record)) await world.hardware?.stopInstance(record.link, graceful);
  record.resource['status'] = 'TERMINATED';
  record.resource['lastStopTimestamp'] = timestamp(world.clock.now());
  setAddress(record, undefined);
}

/**
 * Deletes an instance, and the disks that go with it; the others become free.
 *
 * @param goes - which disks go; those with `autoDelete` by default.
 */
export async function removeInstance(
  world: World,
  record: InstanceRecord,
  goes = (_disk: Stored, entry: JsonObject): boolean => entry['autoDelete'] === true,
): Promise<void> {
  if (!instanceType.has(record)) return;
  record.disarm();
  await world.hardware?.deleteInstance(record.link);
  for (const entry of objectsOf(record.resource, 'disks')) {
    const disk = attachedDisk(record.project, entry);
    if (!disk) continue;
    detach(disk, record, timestamp(world.clock.now()));
    if (!goes(disk, entry)) continue;
    await world.hardware?.deleteDisk(disk.link);
    diskType.remove(disk);
  }
  instanceType.remove(record);
  for (const told of record.watchers) told();
}

/** Ends an instance when its time is over: the dead man's switch. */
function arm(world: World, record: InstanceRecord, started: number): void {
  record.disarm();
  const scheduling = objectOf(record.resource, 'scheduling');
  const ms = runTimeOf(scheduling, started);
  if (ms === undefined) return;
  const end = started + ms;
  record.resource['resourceStatus'] = {
    scheduling: { terminationTimestamp: timestamp(end) },
  };
  const wait = (): void => {
    const left = end - world.clock.now();
    record.disarm = world.clock.after(Math.max(0, Math.min(left, longestTimer)), async () => {
      const deletes = textOf(scheduling, 'instanceTerminationAction') === 'DELETE';
      if (left > longestTimer) wait();
      else {
        await inTurn(record, () =>
          deletes ? removeInstance(world, record) : halt(world, record, true),
        );
      }
    });
  };
  wait();
}
