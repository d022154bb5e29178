import type { MachineConfiguration, MachineDisk } from './configuration.ts';
import { seedSerial } from './seed.ts';

/** The files of a machine's directory. QEMU runs in that directory, so its command line names them bare. */
export const machineFiles = {
  agent: 'agent.sock',
  console: 'console.log',
  log: 'qemu.log',
  memory: 'memory',
  pid: 'qemu.pid',
  qmp: 'qmp.sock',
  seed: 'seed.img',
} as const;

/**
 * QEMU's arguments for a machine: nothing but what is asked for, no display, nothing that listens
 * except on loopback and in the machine's own directory.
 */
export function commandLine(configuration: MachineConfiguration): string[] {
  const { accelerator, cache, cpuModel, cpus, isolated, memoryMiB, name, resume, uuid } =
    configuration;
  // A resumed machine gets its forwards when it has its new identity: before, nobody shall reach it.
  const forwards =
    resume === undefined ? configuration.forwards.map((one) => `hostfwd=${forward(one)}`) : [];
  const seed: MachineDisk = {
    file: machineFiles.seed,
    format: 'raw',
    serial: seedSerial,
    readOnly: true,
  };
  return [
    ['-name', `guest=${escaped(name)}`],
    ['-uuid', uuid],
    ['-pidfile', machineFiles.pid],
    ['-nodefaults'],
    ['-no-user-config'],
    ['-display', 'none'],
    ['-machine', 'q35,vmport=off'],
    ['-accel', accelerator === 'kvm' ? 'kvm' : 'tcg,thread=multi'],
    ['-cpu', cpuModel],
    ['-smp', String(cpus)],
    ['-m', `${memoryMiB}M`],
    ['-chardev', `file,id=console,path=${machineFiles.console},append=on`],
    ['-serial', 'chardev:console'],
    ['-qmp', `unix:${machineFiles.qmp},server=on,wait=off`],
    ...configuration.disks.flatMap((disk, index) => diskArguments(disk, cache, index)),
    ...diskArguments(seed, cache),
    ['-netdev', ['user', 'id=net', ...(isolated ? ['restrict=on'] : []), ...forwards].join(',')],
    ['-device', 'virtio-net-pci,netdev=net,romfile='],
    ['-device', 'virtio-rng-pci'],
    ...(configuration.guestAgent ? agentArguments : []),
    ['-device', `vmgenid,guid=auto`],
    ...(resume === undefined ? [] : [['-incoming', `exec:cat ${machineFiles.memory}`]]),
  ].flat();
}

const agentArguments = [
  ['-chardev', `socket,id=agent,path=${machineFiles.agent},server=on,wait=off`],
  ['-device', 'virtio-serial-pci'],
  ['-device', 'virtserialport,chardev=agent,name=org.qemu.guest_agent.0'],
];

/** A forward from a loopback port, or from a free one that the host chooses, to a port of the guest. */
export function forward({ guest, host }: MachineConfiguration['forwards'][number]): string {
  return `tcp:127.0.0.1:${host}-:${guest}`;
}

/**
 * What must be the same for a saved state to be resumed: the devices and everything about them
 * that a guest can see, without the paths and names that may differ.
 */
export function layout(configuration: MachineConfiguration): string {
  const neutral: MachineConfiguration = {
    ...configuration,
    name: '',
    uuid: '00000000-0000-4000-8000-000000000000',
    disks: configuration.disks.map((disk) => ({ ...disk, file: '' })),
    forwards: [],
    isolated: false,
    cache: 'unsafe',
    resume: undefined,
  };
  return commandLine(neutral).join('\n');
}

function diskArguments(disk: MachineDisk, cache: Cache, index?: number): string[][] {
  const name = index === undefined ? 'seed' : deviceName(index);
  const node = index === undefined ? 'seed' : nodeName(disk, index);
  const boot = index === undefined ? '' : `,bootindex=${index + 1}`;
  return [
    ['-blockdev', JSON.stringify(blockNode(disk, node, cache))],
    ['-device', `virtio-blk-pci,drive=${node},id=${name},serial=${escaped(disk.serial)}${boot}`],
  ];
}

type Cache = MachineConfiguration['cache'];

/** The name of a disk's device in QEMU. */
export function deviceName(index: number): string {
  return `dev-disk-${index}`;
}

/** The name of a disk's file in QEMU's graph of block nodes: of the machine's own, its file's. */
export function nodeName(disk: MachineDisk, index: number): string {
  return /^(disk-[\d.]+)\.qcow2$/.exec(disk.file)?.[1] ?? `disk-${index}`;
}

/** A disk as QEMU's protocol and its command line take it. */
export function blockNode(disk: MachineDisk, node: string, cache: Cache): Record<string, unknown> {
  const common = {
    'read-only': disk.readOnly,
    cache: { direct: false, 'no-flush': cache === 'unsafe' },
    discard: 'unmap',
  };
  return {
    driver: disk.format,
    'node-name': node,
    ...common,
    'detect-zeroes': disk.readOnly ? 'off' : 'unmap',
    file: { driver: 'file', filename: disk.file, ...common },
  };
}

// In QEMU's option lists a comma is written twice.
function escaped(value: string): string {
  return value.replaceAll(',', ',,');
}
