import { ImgkitError, type Instances, type LaunchRequest } from '@imgkit/core';

import { createGuestCommands, type GuestCommands } from './guest-commands.ts';
import type { Hardware, HardwareAddress, HardwareMachine } from './hardware.ts';
import { openLoopbackAddress, type LoopbackAddress, type Target } from './loopback.ts';
import { idOf, type ProviderThings } from './things.ts';

const mib = 2 ** 20;
const graceMs = 90_000;
const consoleBytes = 2 ** 20;

/** Real machines: the provider's, each behind a loopback address of its own. */
export interface ProviderMachines extends Pick<
  Hardware,
  | 'createInstance'
  | 'startInstance'
  | 'stopInstance'
  | 'deleteInstance'
  | 'isRunning'
  | 'run'
  | 'console'
  | 'hostKeys'
> {
  /** Gives all addresses back. */
  close(): Promise<void>;
}

/**
 * @param ports - the guests' TCP ports, beside 22, that are reached at their addresses.
 */
export function providerMachines(
  things: ProviderThings,
  ports: readonly number[],
): ProviderMachines {
  const { instances: ids, users } = things;
  const addresses = new Map<string, LoopbackAddress>();
  let commands: Promise<GuestCommands> | undefined;
  /** Asked for only where something needs it. */
  const guestCommands = (): Promise<GuestCommands> => (commands ??= createGuestCommands());

  const reach = async (link: string, external: boolean): Promise<HardwareAddress> => {
    if (!external) return { natIp: undefined };
    const targets = new Map<number, Target>();
    for (const port of [22, ...ports]) {
      const endpoint = await instancesOf(things).endpoint(idOf(ids, link), port);
      targets.set(port, { host: endpoint.host, port: endpoint.port });
    }
    await addresses.get(link)?.close();
    const address = await openLoopbackAddress(targets);
    addresses.set(link, address);
    return { natIp: address.ip };
  };
  const hide = async (link: string): Promise<void> => {
    await addresses.get(link)?.close();
    addresses.delete(link);
  };

  return {
    async createInstance(link, machine) {
      const request = launchRequest(things, link, machine, ports);
      const authorizedKeys = [...machine.authorizedKeys];
      if (machine.commands === true)
        authorizedKeys.push({ user: 'root', publicKey: (await guestCommands()).publicKey });
      const { id } = await instancesOf(things).launch({ ...request, authorizedKeys });
      ids.set(link, id);
      // An image of the boot disk is taken through the machine, which flushes it.
      if (machine.disks[0] !== undefined) users.set(machine.disks[0], link);
      return reach(link, machine.external);
    },
    async startInstance(link, external) {
      await instancesOf(things).start(idOf(ids, link));
      return reach(link, external);
    },
    async stopInstance(link, graceful) {
      await hide(link);
      await instancesOf(things).stop(idOf(ids, link), { graceMs: graceful ? graceMs : 0 });
    },
    async deleteInstance(link) {
      await hide(link);
      const id = ids.get(link);
      if (id === undefined) return;
      await instancesOf(things).delete(id);
      ids.delete(link);
      for (const [disk, user] of users) if (user === link) users.delete(disk);
    },
    async isRunning(link) {
      const { status } = await instancesOf(things).get(idOf(ids, link));
      return status === 'RUNNING' || status === 'PENDING';
    },
    async run(link, script) {
      const { host, port } = await instancesOf(things).endpoint(idOf(ids, link));
      return (await guestCommands()).run({ host, port }, script);
    },
    async console(link) {
      const id = ids.get(link);
      return id === undefined ? '' : instancesOf(things).console(id, { maxBytes: consoleBytes });
    },
    async hostKeys(link) {
      const id = ids.get(link);
      if (id === undefined || !addresses.has(link)) return [];
      return (await instancesOf(things).endpoint(id)).hostKeys;
    },
    async close() {
      await Promise.all([...addresses.keys()].map(hide));
    },
  };
}

function launchRequest(
  things: ProviderThings,
  link: string,
  machine: HardwareMachine,
  ports: readonly number[],
): LaunchRequest {
  const { cpus, memoryMb, startupScript, userData, metadata } = machine;
  const [boot = '', ...others] = machine.disks.map((disk) => idOf(things.disks, disk));
  if (startupScript !== undefined && userData !== undefined) {
    throw new ImgkitError('UNSUPPORTED', `${link} has a startup script and user data`, {
      hint: 'A real machine of the emulator takes one of the two.',
    });
  }
  return {
    name: things.newName(link),
    boot: { kind: 'disk', disk: boot },
    disks: others.map((disk) => ({ disk })),
    machineType: { cpus, memoryBytes: memoryMb * mib },
    startupScript,
    userData,
    metadata,
    ports,
    ephemeral: true,
  };
}

function instancesOf({ provider }: ProviderThings): Instances {
  if (provider.instances) return provider.instances;
  throw new ImgkitError('UNSUPPORTED', `the provider "${provider.name}" has no instances`);
}
