import { createHash } from 'node:crypto';
import { cpus } from 'node:os';
import { link, mkdir, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';

import { ImgkitError } from '@imgkit/core';
import { ownName, removeAbandoned, syncPath } from '@imgkit/core/local';
import { z } from 'zod';

import { blockNode, deviceName, layout, machineFiles, nodeName } from './command-line.ts';
import {
  writeConfiguration,
  type MachineConfiguration,
  type MachineDisk,
} from './configuration.ts';
import { generationOf, linkChain, overlayOf } from './disk-chain.ts';
import type { Machine, MachineCallOptions } from './machine.ts';
import { endWaiting } from './identity-record.ts';
import type { QmpClient } from './qmp.ts';
import { volumeBytes } from './seed.ts';
import { pollUntil } from './waiting.ts';

const manifestSchema = z.object({
  version: z.literal(1),
  fingerprint: z.string(),
  instanceId: z.string(),
  authorizedKeys: z.array(z.object({ user: z.string(), publicKey: z.string() })),
  /** The top file of each disk: the machines resumed write to overlays of them. */
  disks: z.array(z.string()),
});

/** What a saved state says of itself. */
export type SavedState = Readonly<z.infer<typeof manifestSchema>>;

const manifestFile = 'state.json';

/** The first words of the names of directories on their way in and out. */
const saving = 'saving';
const replaced = 'replaced';

/**
 * A digest of all that must be the same for a saved state to be resumed: the version of QEMU, the
 * devices, and the host's processor where the guest sees it.
 */
export function fingerprint(configuration: MachineConfiguration, qemuVersion: string): string {
  const host = configuration.accelerator === 'kvm' ? (cpus()[0]?.model ?? '') : '';
  const parts = ['imgkit-state-1', qemuVersion, host, layout(configuration)];
  return createHash('sha256').update(parts.join('\n')).digest('hex');
}

/** Reads what is saved in `directory`; `undefined` when nothing whole is. */
export async function readState(directory: string): Promise<SavedState | undefined> {
  const text = await readFile(join(directory, manifestFile), 'utf8').catch(() => undefined);
  return text === undefined ? undefined : manifestSchema.safeParse(JSON.parse(text)).data;
}

/**
 * Saves a running machine, memory and disks, to `directory`, replacing what is there. The machine
 * is held for about a second and then goes on, atop new files: what is saved never changes again.
 *
 * @throws `FAILED_PRECONDITION` when the machine doesn't run, or can't be saved; the machine goes on.
 */
export async function saveState(
  machine: Machine,
  directory: string,
  qemuVersion: string,
  options: MachineCallOptions = {},
): Promise<void> {
  const { configuration } = machine;
  const own = configuration.disks.filter(
    (disk) => generationOf(disk.file) === undefined && !disk.readOnly,
  );
  if (!(await machine.isRunning()) || own.length > 0) {
    throw new ImgkitError(
      'FAILED_PRECONDITION',
      `the machine ${configuration.name} cannot be saved`,
      {
        resource: machine.directory,
        hint: 'Only a running machine can, and only one without disks that outlive it.',
      },
    );
  }
  for (const prefix of [saving, replaced]) await removeAbandoned(dirname(directory), prefix);
  const temporary = join(dirname(directory), ownName(saving));
  await mkdir(temporary, { mode: 0o700 });
  try {
    const next = await nextDisks(machine, options);
    // Written first: should we die, what starts this machine again finds every byte in the new files.
    await writeConfiguration(machine.directory, { ...configuration, disks: next });
    await using client = await machine.connect(options);
    await hold(client, async () => {
      for (const [index, disk] of next.entries()) {
        const before = configuration.disks[index];
        if (before === undefined || before === disk) continue;
        await switchDisk(client, configuration, index, before, disk);
      }
      await writeMemory(client, join(temporary, machineFiles.memory), options);
    });
    await endWaiting(join(machine.directory, machineFiles.seed), volumeBytes);
    for (const disk of configuration.disks)
      await linkChain(machine.directory, temporary, disk.file);
    const state: SavedState = {
      version: 1,
      fingerprint: fingerprint(configuration, qemuVersion),
      instanceId: configuration.instanceId,
      authorizedKeys: configuration.authorizedKeys,
      disks: configuration.disks.map(({ file }) => file),
    };
    await writeFile(join(temporary, manifestFile), JSON.stringify(state));
    for (const name of await readdir(temporary)) await syncPath(join(temporary, name));
    await replaceDirectory(temporary, directory);
  } catch (error) {
    await rm(temporary, { recursive: true, force: true });
    throw error;
  }
}

/** Puts the disks and the memory of a saved state into the directory of a new machine. */
export async function unpackState(
  state: SavedState,
  from: string,
  directory: string,
  options: MachineCallOptions = {},
): Promise<string[]> {
  await link(join(from, machineFiles.memory), join(directory, machineFiles.memory));
  const files: string[] = [];
  for (const file of state.disks) {
    await linkChain(from, directory, file);
    files.push(await overlayOf(directory, file, options));
  }
  return files;
}

async function nextDisks(machine: Machine, options: MachineCallOptions): Promise<MachineDisk[]> {
  const next: MachineDisk[] = [];
  for (const disk of machine.configuration.disks) {
    if (disk.readOnly) next.push(disk);
    else next.push({ ...disk, file: await overlayOf(machine.directory, disk.file, options) });
  }
  return next;
}

async function hold(client: QmpClient, body: () => Promise<void>): Promise<void> {
  await client.execute('stop');
  try {
    await body();
  } finally {
    await client.execute('cont');
  }
}

const deviceSchema = z.array(
  z.object({
    qdev: z.string().default(''),
    inserted: z.object({ 'node-name': z.string() }).optional(),
  }),
);

async function switchDisk(
  client: QmpClient,
  configuration: MachineConfiguration,
  index: number,
  before: MachineDisk,
  after: MachineDisk,
): Promise<void> {
  const devices = deviceSchema.parse(await client.execute('query-block'));
  const device = devices.find(({ qdev }) => qdev.includes(`/${deviceName(index)}/`));
  const node = nodeName(before, index);
  if (device?.inserted?.['node-name'] !== node) {
    throw new ImgkitError(
      'FAILED_PRECONDITION',
      'an earlier save of this machine was interrupted',
      {
        hint: 'Stop the machine and start it again, then it can be saved.',
      },
    );
  }
  const overlay = nodeName(after, index);
  const added = { ...blockNode(after, overlay, configuration.cache), backing: null };
  await client.execute('blockdev-add', added);
  await client.execute('blockdev-snapshot', { node, overlay });
}

const migrationSchema = z.object({
  status: z.string().optional(),
  'error-desc': z.string().optional(),
});

async function writeMemory(
  client: QmpClient,
  path: string,
  options: MachineCallOptions,
): Promise<void> {
  await client.execute('migrate-set-parameters', { 'max-bandwidth': 2 ** 40 });
  await client.execute('migrate', { uri: `exec:cat > ${quoted(path)}` });
  try {
    await pollUntil(
      async () => {
        const { status, 'error-desc': reason } = migrationSchema.parse(
          await client.execute('query-migrate'),
        );
        if (status === 'completed') return true;
        if (status !== 'failed' && status !== 'cancelled') return undefined;
        throw new ImgkitError(
          'OPERATION_FAILED',
          `saving the memory of a machine failed: ${reason ?? status}`,
          {
            hint: 'Is there enough space on the disk?',
          },
        );
      },
      {
        ...options,
        everyMs: 20,
        timeoutMs: 120_000,
        doing: 'saving a machine',
        onTimeout: () =>
          new ImgkitError('TIMEOUT', 'saving the memory of a machine took more than two minutes'),
      },
    );
  } catch (error) {
    await client.execute('migrate_cancel');
    throw error;
  }
}

function quoted(word: string): string {
  return `'${word.replaceAll("'", `'\\''`)}'`;
}

async function replaceDirectory(temporary: string, directory: string): Promise<void> {
  const old = join(dirname(directory), ownName(replaced));
  await rename(directory, old).catch(() => {});
  await rename(temporary, directory);
  await syncPath(dirname(directory));
  await rm(old, { recursive: true, force: true });
}
