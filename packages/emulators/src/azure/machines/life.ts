import { objectOf, objectsOf, textOf } from '../../control-plane/json.ts';
import type { HardwareMachine } from '../../hardware/hardware.ts';
import { makeDisk } from '../disks/real-disks.ts';
import { giveAddresses, publicAddressesOf, releaseInterfaces } from '../networks/interfaces.ts';
import { idKey } from '../resource-id.ts';
import { propertiesOf, setProperties, stateOf, type Stored, type World } from '../state.ts';
import { disksOf, markDisks } from './machine-disks.ts';
import type { MachineRecord } from './machine-record.ts';
import { sizeNamed } from './sizes.ts';

/** Makes a machine's new disks, and lets it run. */
export async function build(
  world: World,
  stored: Stored,
  machine: MachineRecord,
  made: readonly Stored[],
): Promise<void> {
  for (const disk of made) await makeDisk(world, disk);
  await run(world, stored, machine);
  if (stateOf(stored) === 'Creating') setProperties(stored, { provisioningState: 'Succeeded' });
}

/** Lets a machine run, and gives it its addresses. */
export async function run(world: World, stored: Stored, machine: MachineRecord): Promise<void> {
  const { hardware } = world;
  const key = idKey(stored.id);
  const external = publicAddressesOf(world, stored).length > 0;
  const address = machine.launched
    ? await hardware?.startInstance(key, external)
    : await hardware?.createInstance(key, plan(world, stored, machine, external));
  machine.launched = true;
  giveAddresses(world, stored, address?.natIp);
  setPower(world, machine, 'running');
  if (!hardware) machine.printed += `${textOf(stored.resource, 'name') ?? ''} boots\n`;
}

/**
 * Stops a machine.
 *
 * @param graceful - asks the guest first.
 */
export async function halt(
  world: World,
  stored: Stored,
  machine: MachineRecord,
  { graceful, to }: { readonly graceful: boolean; readonly to: 'stopped' | 'deallocated' },
): Promise<void> {
  if (machine.launched) await world.hardware?.stopInstance(idKey(stored.id), graceful);
  setPower(world, machine, to);
}

/** Deletes a machine, and the disks, interfaces and addresses that go with it; the others become free. */
export async function removeMachine(world: World, stored: Stored): Promise<void> {
  if (world.resources.find(stored.id) !== stored) return;
  await world.hardware?.deleteInstance(idKey(stored.id));
  const disks = disksOf(world, stored);
  markDisks(world, stored, false);
  for (const { disk, goes } of disks) {
    if (!goes) continue;
    await world.hardware?.deleteDisk(idKey(disk.id));
    world.resources.remove(disk);
  }
  releaseInterfaces(world, stored);
  world.resources.remove(stored);
}

/** Sees whether the guest has powered its machine off. */
export async function look(world: World, stored: Stored, machine: MachineRecord): Promise<void> {
  const { hardware } = world;
  if (!hardware || !machine.launched || machine.power !== 'running') return;
  const up = await hardware.isRunning(idKey(stored.id));
  if (!up && machine.power === 'running') setPower(world, machine, 'stopped');
}

export function setPower(
  world: World,
  machine: MachineRecord,
  power: MachineRecord['power'],
): void {
  machine.power = power;
  machine.since = new Date(world.clock.now()).toISOString();
}

function plan(
  world: World,
  stored: Stored,
  machine: MachineRecord,
  external: boolean,
): HardwareMachine {
  const properties = propertiesOf(stored);
  const size = sizeNamed(textOf(objectOf(properties, 'hardwareProfile'), 'vmSize') ?? '');
  const profile = objectOf(properties, 'osProfile');
  const user = textOf(profile, 'adminUsername') ?? '';
  const ssh = objectOf(objectOf(profile, 'linuxConfiguration'), 'ssh');
  const data = Buffer.from(machine.customData ?? '', 'base64').toString();
  return {
    disks: disksOf(world, stored).map(({ disk }) => idKey(disk.id)),
    cpus: size?.cpus ?? 1,
    memoryMb: (size?.memoryGb ?? 1) * 1024,
    authorizedKeys: objectsOf(ssh, 'publicKeys').map((key) => ({
      user,
      publicKey: textOf(key, 'keyData') ?? '',
    })),
    // As cloud-init reads custom data: a script, or what it is told otherwise.
    startupScript: data.startsWith('#!') ? data : undefined,
    userData: data === '' || data.startsWith('#!') ? undefined : data,
    metadata: {},
    commands: true,
    external,
  };
}
