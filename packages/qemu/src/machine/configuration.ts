import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';

import { ImgkitError } from '@imgkit/core';
import { writeAtomically } from '@imgkit/core/local';
import { z } from 'zod';

import { fileError, systemCode } from '../errors.ts';

const diskSchema = z.object({
  /** Relative to the machine's directory when it is the machine's own; absolute when it outlives it. */
  file: z.string(),
  format: z.enum(['qcow2', 'raw']),
  /** What the guest sees as the disk's serial number: at most 20 characters. */
  serial: z.string().max(20),
  readOnly: z.boolean(),
});

const configurationSchema = z.object({
  version: z.literal(1),
  /** Unique, and on QEMU's command line: by it a process is proved to be this machine. */
  uuid: z.uuid(),
  name: z.string(),
  binary: z.string(),
  accelerator: z.enum(['kvm', 'tcg']),
  cpuModel: z.string(),
  cpus: z.int().min(1),
  memoryMiB: z.int().min(64),
  disks: z.array(diskSchema).min(1),
  /** `unsafe` ignores the guest's flushes: for machines that are thrown away when the host fails. */
  cache: z.enum(['writeback', 'unsafe']),
  /** Ports of the guest, each with the port of the host's loopback address that leads to it; 0 until one is found. */
  forwards: z.array(z.object({ guest: z.int().min(1).max(65_535), host: z.int().min(0) })),
  /** Cuts the guest off from everything but the forwarded ports. */
  isolated: z.boolean(),
  /** Whether there is a channel for a qemu-guest-agent, over which the guest can be asked to flush. */
  guestAgent: z.boolean(),
  /** The public half of the SSH server's key, and the keys that may log in. */
  hostKey: z.string(),
  authorizedKeys: z.array(z.object({ user: z.string(), publicKey: z.string() })),
  instanceId: z.string(),
  /** While a machine is being resumed from a saved state: the nonce that the guest will acknowledge. */
  resume: z.object({ nonce: z.string() }).optional(),
});

/** Everything needed to start a machine again, as it is kept in its directory. */
export type MachineConfiguration = Readonly<z.infer<typeof configurationSchema>>;

/** One disk of a machine. */
export type MachineDisk = Readonly<z.infer<typeof diskSchema>>;

const fileName = 'machine.json';

/** Reads a machine's configuration; `undefined` when there is none. */
export async function readConfiguration(
  directory: string,
): Promise<MachineConfiguration | undefined> {
  let text: string;
  try {
    text = await readFile(join(directory, fileName), 'utf8');
  } catch (error) {
    if (systemCode(error) === 'ENOENT') return undefined;
    throw fileError(error, join(directory, fileName));
  }
  try {
    return configurationSchema.parse(JSON.parse(text));
  } catch (error) {
    throw new ImgkitError(
      'FAILED_PRECONDITION',
      `the machine in ${directory} has an unreadable ${fileName}`,
      {
        resource: directory,
        hint: 'Delete the instance; its directory was changed by hand or by another version.',
        cause: error,
      },
    );
  }
}

/** Writes a machine's configuration, whole or not at all. */
export async function writeConfiguration(
  directory: string,
  configuration: MachineConfiguration,
): Promise<void> {
  const text = JSON.stringify(configurationSchema.parse(configuration), null, 2);
  await writeAtomically(
    join(directory, fileName),
    (temporary) => writeFile(temporary, text, { mode: 0o600 }),
    { overwrite: true },
  );
}
