import type { Labels, OperationControl } from '@imgkit/core';

import { number, object, text, type WireObject } from '../api/wire.ts';
import type { AzureContext } from '../context.ts';
import type { AzureRestoreOptions } from '../machines/machine-options.ts';
import { makeResource, type ResourceKind } from '../resources/resource-calls.ts';
import type { HeldMachine } from './held-machine.ts';
import { heldDisks } from './restore-point.ts';

const diskType = 'Microsoft.Compute/disks';
const usualSku = 'StandardSSD_LRS';

/** The machine that disks are made for. */
export interface DiskOwner {
  readonly name: string;
  readonly labels: Labels;
  readonly idempotencyKey: string;
}

/** A disk of a machine that is restored. */
interface RestoredDisk {
  readonly held: WireObject;
  readonly boot: boolean;
  readonly name: string;
  readonly sku: string;
  /** The disk encryption set, which is one of the region. */
  readonly encryptionSet: string | undefined;
}

/** What becomes of the disks that are held, the boot disk first. */
function planDisks(
  { held, elsewhere }: HeldMachine,
  name: string,
  { diskSku, diskEncryptionSetId }: AzureRestoreOptions,
): readonly RestoredDisk[] {
  const osDisk = object(object(held, 'storageProfile'), 'osDisk');
  return heldDisks(held).map((disk) => {
    const boot = disk === osDisk;
    const managed = object(disk, 'managedDisk');
    const kept = elsewhere ? undefined : text(object(managed, 'diskEncryptionSet'), 'id');
    return {
      held: disk,
      boot,
      name: boot ? `${name}-os` : `${name}-data-${lunOf(disk)}`,
      sku: diskSku ?? text(managed, 'storageAccountType') ?? usualSku,
      encryptionSet: diskEncryptionSetId ?? kept,
    };
  });
}

/** The ids of the disks that are made of a restore point before its machine; none of an image version, which Azure makes with it. */
export function ownDisks(
  context: AzureContext,
  machine: HeldMachine,
  name: string,
): readonly string[] {
  if (machine.version !== undefined) return [];
  return planDisks(machine, name, {}).map((disk) => context.id(diskType, disk.name));
}

/** The storage profile of a machine that is restored. Of a restore point, its disks are made first, each once for its key. */
export async function restoreDisks(
  context: AzureContext,
  machine: HeldMachine,
  owner: DiskOwner,
  options: AzureRestoreOptions,
  control: OperationControl,
): Promise<WireObject> {
  const { version, held } = machine;
  const plans = planDisks(machine, owner.name, options);
  const disks = await Promise.all(
    plans.map(async (plan) => {
      if (version !== undefined) return ofImage(plan);
      await makeDisk(context, machine, plan, owner, options, control);
      return attached(plan, context.id(diskType, plan.name));
    }),
  );
  const [osDisk, ...dataDisks] = disks;
  const { diskControllerType } = object(held, 'storageProfile') ?? {};
  return {
    ...(version === undefined ? {} : { imageReference: { id: version } }),
    osDisk,
    dataDisks,
    ...(diskControllerType === undefined ? {} : { diskControllerType }),
  };
}

async function makeDisk(
  context: AzureContext,
  { location }: HeldMachine,
  { held, name, sku, encryptionSet }: RestoredDisk,
  { labels, idempotencyKey }: DiskOwner,
  { zone }: AzureRestoreOptions,
  control: OperationControl,
): Promise<void> {
  const sourceResourceId = text(object(held, 'diskRestorePoint'), 'id');
  const body = {
    location,
    sku: { name: sku },
    // Those that are in all zones are in none.
    ...(zone === undefined || sku.endsWith('_ZRS') ? {} : { zones: [zone] }),
    ...(encryptionSet === undefined ? {} : { encryption: { diskEncryptionSetId: encryptionSet } }),
    creationData: { createOption: 'Restore', sourceResourceId },
  };
  await makeResource(context, diskKind(name), { name, labels, idempotencyKey, body }, control);
}

function attached({ held, boot }: RestoredDisk, id: string): WireObject {
  return {
    createOption: 'Attach',
    managedDisk: { id },
    ...(boot ? { osType: text(held, 'osType') ?? 'Linux' } : { lun: lunOf(held) }),
    ...cachingOf(held),
    deleteOption: 'Delete',
  };
}

function ofImage({ held, boot, name, sku, encryptionSet }: RestoredDisk): WireObject {
  return {
    createOption: 'FromImage',
    name,
    ...(boot ? {} : { lun: lunOf(held) }),
    ...cachingOf(held),
    managedDisk: {
      storageAccountType: sku,
      ...(encryptionSet === undefined ? {} : { diskEncryptionSet: { id: encryptionSet } }),
    },
    deleteOption: 'Delete',
  };
}

function cachingOf(held: WireObject): WireObject {
  const caching = text(held, 'caching');
  return caching === undefined ? {} : { caching };
}

function lunOf(disk: WireObject): number {
  return number(disk, 'lun') ?? 0;
}

function diskKind(
  name: string,
): ResourceKind<{ readonly name: string; readonly labels: object & Record<string, string> }> {
  return { what: 'disk', type: diskType, capability: 'disks', show: () => ({ name, labels: {} }) };
}
