import { randomUUID } from 'node:crypto';
import { join } from 'node:path';

import { ImgkitError } from '@imgkit/core';
import { createEmpty, readInfo } from '@imgkit/core/local';
import { z } from 'zod';

import { nodeName } from './command-line.ts';
import type { Machine, MachineCallOptions } from './machine.ts';
import type { QmpClient } from './qmp.ts';
import { pollUntil } from './waiting.ts';

const jobsSchema = z.array(
  z.object({ id: z.string(), status: z.string(), error: z.string().optional() }),
);
const timeoutMs = 60 * 60 * 1000;

/**
 * Copies disks of a running machine into `target`, all as they are at this moment; the machine goes
 * on meanwhile.
 *
 * @param indexes - Which disks, by their places in the configuration.
 * @param options - `around` is given the moment at which the copies are of, to do something before and after it.
 * @returns The copies, in the same order.
 */
export async function backUpDisks(
  machine: Machine,
  indexes: readonly number[],
  target: string,
  options: MachineCallOptions & {
    readonly around?: ((begin: () => Promise<void>) => Promise<unknown>) | undefined;
  } = {},
): Promise<string[]> {
  const name = `backup-${randomUUID()}`;
  const copies: { readonly job: string; readonly path: string; readonly source: string }[] = [];
  for (const index of indexes) {
    const disk = machine.configuration.disks[index];
    if (disk === undefined) throw new ImgkitError('NOT_FOUND', `the machine has no disk ${index}`);
    const path = join(target, `disk-${index}.qcow2`);
    const file = disk.file.startsWith('/') ? disk.file : join(machine.directory, disk.file);
    const { virtualSize } = await readInfo(file, 'qcow2', options);
    await createEmpty(path, virtualSize, options);
    copies.push({ job: `${name}-${index}`, path, source: nodeName(disk, index) });
  }
  await using client = await machine.connect(options);
  const opened: string[] = [];
  try {
    for (const { job, path } of copies) {
      const file = { driver: 'file', filename: path };
      await client.execute('blockdev-add', {
        driver: 'qcow2',
        'node-name': `to-${job.slice(-20)}`,
        file,
      });
      opened.push(`to-${job.slice(-20)}`);
    }
    // One transaction: all disks are of the same moment.
    const actions = copies.map(({ job, source }) => ({
      type: 'blockdev-backup',
      data: {
        'job-id': job,
        device: source,
        target: `to-${job.slice(-20)}`,
        sync: 'full',
        'auto-dismiss': false,
      },
    }));
    const begin = async (): Promise<void> => {
      await client.execute('transaction', { actions });
    };
    await (options.around ?? ((body) => body()))(begin);
    await finishJobs(client, name, options);
  } finally {
    for (const node of opened) await client.execute('blockdev-del', { 'node-name': node });
  }
  return copies.map(({ path }) => path);
}

const onTimeout = (): ImgkitError =>
  new ImgkitError('TIMEOUT', 'copying the disks of a machine took too long');

async function finishJobs(
  client: QmpClient,
  name: string,
  options: MachineCallOptions,
): Promise<void> {
  const ours = async () =>
    jobsSchema.parse(await client.execute('query-jobs')).filter(({ id }) => id.startsWith(name));
  const concluded = async () => {
    const jobs = await ours();
    return jobs.every(({ status }) => status === 'concluded') ? jobs : undefined;
  };
  const wait = { everyMs: 50, doing: 'copying the disks of a machine', timeoutMs };
  let failure: string | undefined;
  try {
    const jobs = await pollUntil(concluded, { ...wait, ...options, onTimeout });
    failure = jobs.find(({ error }) => error !== undefined)?.error;
  } catch (error) {
    for (const { id, status } of await ours()) {
      if (status !== 'concluded') await client.execute('job-cancel', { id });
    }
    await pollUntil(concluded, { ...wait, timeoutMs: 30_000, onTimeout });
    throw error;
  } finally {
    for (const { id } of await ours()) await client.execute('job-dismiss', { id });
  }
  if (failure !== undefined) {
    throw new ImgkitError('OPERATION_FAILED', `copying the disks of a machine failed: ${failure}`);
  }
}
