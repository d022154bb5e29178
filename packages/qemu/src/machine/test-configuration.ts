import { randomUUID } from 'node:crypto';

import type { MachineConfiguration } from './configuration.ts';

/** A machine for tests. */
export function testConfiguration(
  changes: Partial<MachineConfiguration> = {},
): MachineConfiguration {
  return {
    version: 1,
    uuid: randomUUID(),
    name: 'web-1',
    binary: 'qemu-system-x86_64',
    accelerator: 'tcg',
    cpuModel: 'qemu64',
    cpus: 2,
    memoryMiB: 512,
    disks: [{ file: 'disk-0.qcow2', format: 'qcow2', serial: 'imgkit-disk-0', readOnly: false }],
    cache: 'writeback',
    forwards: [
      { guest: 22, host: 0 },
      { guest: 80, host: 8080 },
    ],
    isolated: false,
    guestAgent: false,
    hostKey: 'ssh-ed25519 AAAA',
    authorizedKeys: [],
    instanceId: 'i-1',
    ...changes,
  };
}
