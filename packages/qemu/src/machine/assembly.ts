import { randomUUID } from 'node:crypto';
import { mkdir, rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';

import { ImgkitError, type HostKey, type LaunchRequest } from '@imgkit/core';
import { convert, createEmpty, writeAtomically } from '@imgkit/core/local';

import { systemCode } from '../errors.ts';
import type { LocalContext } from '../resources/context.ts';
import { recordsOf } from '../resources/creation.ts';
import { diskRecordKind } from '../resources/kinds.ts';
import { diskPath } from '../store/layout.ts';
import type { LocalStore } from '../store/local-store.ts';
import type { StoredRecord } from '../store/records.ts';
import { machineFiles } from './command-line.ts';
import { writeConfiguration, type MachineConfiguration } from './configuration.ts';
import { createHostKey } from './host-key.ts';
import type { MachineHost } from './host.ts';
import type { Identity } from './identity-record.ts';
import { machineDirectory, type InstanceDocument } from './instance-record.ts';
import { mostDisks, type LaunchPlan, type PlannedDisk } from './launch-plan.ts';
import { Machine, type MachineCallOptions } from './machine.ts';
import { endProcessesIn } from './process-proof.ts';
import { seedDisk } from './seed.ts';

type InstanceRecord = StoredRecord<InstanceDocument>;

/** A machine's file `disk-<index>.qcow2`, before any generation of it was saved. */
function firstDiskFile(index: number): string {
  return `disk-${index}.qcow2`;
}

/** The configuration of a machine by plan; everything else of it follows from this. */
export async function configurationOf(
  host: MachineHost,
  plan: LaunchPlan,
  request: Pick<LaunchRequest, 'name' | 'ports' | 'ephemeral' | 'authorizedKeys'>,
  hostKey: Pick<HostKey, 'publicKey'>,
  options: MachineCallOptions,
): Promise<MachineConfiguration> {
  const { accelerator } = await host.accelerator(options);
  const uuid = randomUUID();
  return {
    version: 1,
    uuid,
    name: request.name,
    binary: host.binary,
    accelerator,
    // A plain processor is translated fastest; a real one is taken as it is.
    cpuModel: plan.cpuModel ?? (accelerator === 'kvm' ? 'host' : 'qemu64'),
    ...plan.size,
    disks: plan.disks.map((disk, index) => ({
      file: disk.kind === 'disk' ? disk.path : firstDiskFile(index),
      format: 'qcow2',
      serial: `imgkit-disk-${index}`,
      readOnly: false,
    })),
    cache: request.ephemeral === true ? 'unsafe' : 'writeback',
    forwards: [...new Set([22, ...(request.ports ?? [])])].map((guest) => ({ guest, host: 0 })),
    isolated: plan.isolated,
    // What is thrown away needs no backup, and boots faster without.
    guestAgent: request.ephemeral !== true,
    hostKey: hostKey.publicKey,
    authorizedKeys: [...(request.authorizedKeys ?? [])],
    instanceId: `i-${uuid}`,
  };
}

/** Makes the directory of a machine with its configuration: from here on it can be found. */
export async function beginMachine(
  context: LocalContext,
  record: InstanceRecord,
  configuration: MachineConfiguration,
): Promise<string> {
  const directory = machineDirectory(context, record);
  await mkdir(directory, { mode: 0o700 });
  await writeConfiguration(directory, configuration);
  return directory;
}

/** Writes what a machine is told at its first boot. */
export async function writeSeed(
  directory: string,
  configuration: MachineConfiguration,
  request: Pick<LaunchRequest, 'name' | 'startupScript' | 'userData' | 'metadata'>,
  hostKey: HostKey,
  identity: Identity = { nonce: configuration.uuid, script: '' },
): Promise<void> {
  const { instanceId, authorizedKeys } = configuration;
  const { name: hostname, startupScript, userData, metadata } = request;
  const settings = {
    instanceId,
    hostname,
    authorizedKeys,
    hostKey,
    startupScript,
    userData,
    metadata,
  };
  const seed = seedDisk(settings, identity);
  await writeAtomically(
    join(directory, machineFiles.seed),
    (path) => writeFile(path, seed, { mode: 0o600 }),
    { overwrite: true },
  );
}

/** Makes the disks of a machine that are its own. */
export async function makeDisks(
  store: LocalStore,
  directory: string,
  disks: readonly PlannedDisk[],
  options: MachineCallOptions,
): Promise<void> {
  for (const [index, disk] of disks.entries()) {
    const path = join(directory, firstDiskFile(index));
    if (disk.kind === 'empty') await createEmpty(path, disk.sizeBytes, options);
    if (disk.kind !== 'blob') continue;
    await store.overlays.create(path, disk.digest, { ...options, virtualSize: disk.sizeBytes });
  }
}

/** Writes the disks of a machine into the catalog. Own ones get names that nobody else can give. */
export function registerDisks(
  context: LocalContext,
  store: LocalStore,
  record: InstanceRecord,
  disks: readonly PlannedDisk[],
): InstanceDocument['disks'] {
  const records = recordsOf(store, diskRecordKind);
  return disks.map((disk, index) => {
    const { sizeBytes } = disk;
    const boot = index === 0;
    if (disk.kind === 'disk')
      return { id: disk.id, boot, sizeBytes, deleteWithInstance: false, own: false };
    const name = diskName(record, index);
    const image = disk.kind === 'blob' ? disk.image : undefined;
    const doc = { labels: record.doc.labels, sizeBytes, image };
    records.insert({ project: record.project, name, state: 'READY', doc });
    const deleteWithInstance = disk.kind === 'blob' || disk.deleteWithInstance;
    return { id: context.id('disks', name), boot, sizeBytes, deleteWithInstance, own: true, image };
  });
}

/**
 * Removes a machine, whatever there is of it: process, files, disks. Disks that are to be kept
 * become free disks.
 */
export async function dismantle(
  context: LocalContext,
  store: LocalStore,
  record: InstanceRecord,
): Promise<void> {
  const directory = machineDirectory(context, record);
  const machine = await findOrEnd(directory, record);
  await machine?.stop({ graceMs: 0 });
  const records = recordsOf(store, diskRecordKind);
  for (let index = 0; index < mostDisks; index++) {
    const disk = records.find(record.project, diskName(record, index));
    if (disk === undefined) continue;
    const file = machine?.configuration.disks[index]?.file;
    if (record.doc.disks[index]?.deleteWithInstance === false && file !== undefined) {
      await keepDisk(join(directory, file), diskPath(store.layout, disk.seq));
    } else {
      records.delete(disk.seq);
    }
  }
  await store.overlays.removeDirectory(directory);
}

/**
 * Finds a machine that is to be removed. One whose configuration can't be read, because another version wrote it, is ended
 * here, unless it has a disk that is to be kept: which file that is can't be known then.
 */
async function findOrEnd(directory: string, record: InstanceRecord): Promise<Machine | undefined> {
  try {
    return await Machine.find(directory);
  } catch (error) {
    const keepsDisk = record.doc.disks.some((disk) => disk.own && !disk.deleteWithInstance);
    if (keepsDisk || !(await endProcessesIn(directory))) throw error;
    return undefined;
  }
}

function diskName(record: InstanceRecord, index: number): string {
  return `${record.name}.${record.seq}.${index}`;
}

async function keepDisk(path: string, target: string): Promise<void> {
  try {
    // Atop of what was saved it reads through to files that go with the machine.
    if (isFirst(path)) await rename(path, target);
    else
      await writeAtomically(target, (copy) => convert(path, copy, { from: 'qcow2', to: 'qcow2' }));
  } catch (error) {
    // An earlier try has kept it already.
    if (systemCode(error) !== 'ENOENT' && !ImgkitError.is(error, 'ALREADY_EXISTS')) throw error;
  }
}

function isFirst(path: string): boolean {
  return /\/disk-\d+\.qcow2$/.test(path);
}

/** The host key a machine is given: the caller's, or a new one. */
export function hostKeyOf(request: Pick<LaunchRequest, 'hostKey'>): HostKey {
  return request.hostKey ?? createHostKey();
}
