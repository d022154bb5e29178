import { ImgkitError, type Instance, type LaunchRequest } from '@imgkit/core';
import { join } from 'node:path';
import { z } from 'zod';

import { instant } from '../mapping.ts';
import { formatId, type LocalContext } from '../resources/context.ts';
import { isWorkedOn, type ResourceKind } from '../resources/creation.ts';
import { storeLayout } from '../store/layout.ts';
import type { StoredRecord } from '../store/records.ts';
import { sizeName } from './host.ts';
import { Machine } from './machine.ts';

/** What the catalog keeps of an instance; what QEMU needs is in the machine's own directory. */
export const instanceSchema = z.object({
  labels: z.record(z.string(), z.string()),
  image: z.string().optional(),
  cpus: z.number(),
  memoryMiB: z.number(),
  disks: z.array(
    z.object({
      id: z.string(),
      boot: z.boolean(),
      sizeBytes: z.number(),
      deleteWithInstance: z.boolean(),
      /** Whether it was made with the instance and lies in its directory. */
      own: z.boolean(),
      image: z.string().optional(),
    }),
  ),
  metadata: z.record(z.string(), z.string()),
  ports: z.array(z.number()),
  authorizedKeys: z.array(z.object({ user: z.string(), publicKey: z.string() })),
  isolated: z.boolean(),
  expiresAt: z.string().optional(),
  /** The fleet it is of, and the number of the template there. */
  fleet: z.object({ id: z.string(), template: z.number() }).optional(),
  request: z.custom<LaunchRequest>().optional(),
});

export type InstanceDocument = z.infer<typeof instanceSchema>;

/** The directory of an instance's machine. It is named by the record's number, which is never used again. */
export function machineDirectory(context: LocalContext, record: { readonly seq: number }): string {
  return join(storeLayout(context.root).instances, String(record.seq));
}

/** Machines as a kind of resource. */
export const instanceKind = {
  what: 'instance',
  collection: 'instances',
  schema: instanceSchema,
  show: toInstance,
} satisfies ResourceKind<InstanceDocument, Instance>;

async function toInstance(
  context: LocalContext,
  record: StoredRecord<InstanceDocument>,
): Promise<Instance> {
  const { doc, name, project } = record;
  return {
    id: formatId(project, 'instances', name),
    name,
    ...(await statusOf(context, record)),
    createdAt: instant(record.createdAt),
    labels: doc.labels,
    image: doc.image === undefined ? undefined : context.ref(doc.image),
    machineType: sizeName(doc),
    disks: doc.disks.map(({ id, boot, sizeBytes, deleteWithInstance }) => ({
      id,
      boot,
      sizeBytes,
      deleteWithInstance,
    })),
    metadata: doc.metadata,
  };
}

async function statusOf(
  context: LocalContext,
  record: StoredRecord<InstanceDocument>,
): Promise<Pick<Instance, 'status' | 'reason'>> {
  if (record.state !== 'READY') {
    if (isWorkedOn(record)) return { status: 'PENDING' };
    return { status: 'FAILED', reason: 'the program that launched it died meanwhile' };
  }
  try {
    const machine = await Machine.find(machineDirectory(context, record));
    if (machine === undefined) return { status: 'FAILED', reason: 'its files are gone' };
    return { status: (await machine.isRunning()) ? 'RUNNING' : 'STOPPED' };
  } catch (error) {
    // One damaged machine must not hide the others.
    if (ImgkitError.is(error)) return { status: 'FAILED', reason: error.message };
    throw error;
  }
}
