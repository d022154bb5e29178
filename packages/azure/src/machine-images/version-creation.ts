import {
  ImgkitError,
  type CallOptions,
  type CreateMachineImageRequest,
  type MachineImage,
  type OperationControl,
} from '@imgkit/core';

import { object, objects, text, textMap, type WireObject } from '../api/wire.ts';
import type { AzureContext } from '../context.ts';
import { createVersion, finishVersion } from '../images/image-creation.ts';
import { invalid } from '../resources/invalid.ts';
import { powerOf } from '../mapping/instance.ts';
import { toArchitecture } from '../mapping.ts';
import type { OperationToken } from '../resources/operation-token.ts';
import { regionName } from '../resources/regions.ts';
import { formatId } from '../resources/resource-id.ts';
import { metadataIn } from '../resources/tags.ts';
import { fromVersion, readMachineVersion } from './image-version.ts';
import { noteOf, writeNote } from './machine-note.ts';
import type { AzureMachineImageOptions } from './machine-image-options.ts';
import { heldDisks } from './restore-point.ts';

/**
 * Makes a machine image as a specialized version of a gallery, in a definition of its own: what Azure keeps of a machine
 * there is its disks; all else is kept in the version's tags.
 *
 * @throws {@link ImgkitError} with `UNSUPPORTED` for a machine that couldn't be restored whole, and with
 *   `FAILED_PRECONDITION` for one that runs.
 */
export async function makeMachineVersion(
  context: AzureContext,
  machine: WireObject,
  request: CreateMachineImageRequest,
  wishes: AzureMachineImageOptions,
  control: OperationControl,
): Promise<MachineImage> {
  const { client } = context;
  const id = text(machine, 'id') ?? request.instance;
  const [viewed, told, note, disks] = await Promise.all([
    client.get(id, { ...control, expand: 'instanceView' }),
    client.get(id, { ...control, expand: 'userData' }),
    noteOf(context, machine, control),
    readDisks(context, machine, control),
  ]);
  await refusePublicGallery(context, control);
  refuseUnfit(context, { ...told, id, instanceView: viewed['instanceView'] }, wishes);
  const { name, labels, description, idempotencyKey } = request;
  const { as: _, whenRunning, excludeDisks: __, ...regions } = wishes;
  const held = heldOf(machine, disks, text(object(viewed, 'instanceView'), 'hyperVGeneration'));
  const purpose = {
    call: 'machineImages.create',
    machine: {
      note: writeNote({ ...note, held: JSON.parse(JSON.stringify(held)) }),
      metadata: metadataIn(textMap(machine, 'tags')),
    },
  } as const;
  const made = await createVersion(
    context,
    {
      name,
      labels,
      description,
      idempotencyKey,
      architecture: toArchitecture(object(disks[0], 'supportedCapabilities')),
      source: { kind: 'instance', instance: id, whenRunning },
      providerOptions: {
        targetRegions: [context.settings.location],
        ...regions,
        osState: 'Specialized',
      },
    },
    purpose,
    control,
  );
  return fromVersion(await readMachineVersion(context, made.id), context);
}

/** Goes on with one that this or another process began. */
export async function finishMachineVersion(
  context: AzureContext,
  token: OperationToken,
  control: OperationControl,
): Promise<MachineImage> {
  const { id } = await finishVersion(context, token, control);
  return fromVersion(await readMachineVersion(context, id), context);
}

/** The disks of a machine, the boot disk first: a machine that has stopped doesn't tell what they are kept in. */
async function readDisks(
  { client }: AzureContext,
  machine: WireObject,
  { signal }: CallOptions,
): Promise<readonly WireObject[]> {
  return Promise.all(
    heldDisks(machine).map(async (disk) => {
      const id = text(object(disk, 'managedDisk'), 'id');
      return id === undefined ? {} : client.get(id, { signal });
    }),
  );
}

/** What a restore point would keep of a machine, and a version doesn't. */
function heldOf(
  machine: WireObject,
  disks: readonly WireObject[],
  generation: string | undefined,
): WireObject {
  const { hardwareProfile, securityProfile, licenseType, location } = machine;
  const storage = object(machine, 'storageProfile');
  const [osDisk, ...dataDisks] = heldDisks(machine).map((disk, index) => {
    const { osType, lun, caching } = disk;
    const storageAccountType = text(object(disks[index], 'sku'), 'name');
    const set = text(object(disks[index], 'encryption'), 'diskEncryptionSetId');
    const diskEncryptionSet = set === undefined ? undefined : { id: set };
    return { osType, lun, caching, managedDisk: { storageAccountType, diskEncryptionSet } };
  });
  const { diskControllerType } = storage ?? {};
  return {
    hardwareProfile,
    securityProfile,
    licenseType,
    location,
    hyperVGeneration: generation,
    architecture: text(object(disks[0], 'supportedCapabilities'), 'architecture'),
    storageProfile: { osDisk, dataDisks, diskControllerType },
  };
}

/** What is in a community gallery, all of Azure can read. */
async function refusePublicGallery(context: AzureContext, options: CallOptions): Promise<void> {
  const id = formatId(context.gallery);
  const native = await context.client.get(id, options);
  if (text(object(native, 'sharingProfile'), 'permissions') !== 'Community') return;
  throw new ImgkitError('FAILED_PRECONDITION', `${id} is shared with everybody`, {
    resource: id,
    hint: 'A machine image holds what is on the disks of its machine, secrets among it. Use a provider with another gallery, or take it as a restore point: leave `as` out.',
  });
}

/** Refuses a machine of which a version would not keep all. */
function refuseUnfit(
  { settings }: AzureContext,
  machine: WireObject,
  { whenRunning = 'refuse' }: AzureMachineImageOptions,
): void {
  const id = text(machine, 'id') ?? '';
  const instead = 'Take it as a restore point: leave `as` out.';
  const location = regionName(text(machine, 'location') ?? '');
  if (location !== settings.location)
    throw invalid(
      `${id} is in ${location}, and the provider's image versions are made in ${settings.location}`,
      `${instead} Or use a provider that works in ${location}.`,
    );
  const osDisk = object(object(machine, 'storageProfile'), 'osDisk');
  const security = text(object(machine, 'securityProfile'), 'securityType');
  const unkept: readonly (readonly [boolean, string])[] = [
    [text(machine, 'userData') !== undefined, 'user data, which may be secret, and tags are not'],
    [object(osDisk, 'diffDiskSettings') !== undefined, 'its boot disk on its host only'],
    [security === 'ConfidentialVM', 'a confidential disk, which is bound to its machine'],
  ];
  const [, what] = unkept.find(([found]) => found) ?? [];
  if (what !== undefined)
    throw new ImgkitError('UNSUPPORTED', `${id} has ${what}: an image version can't keep it`, {
      resource: id,
      hint: instead,
    });
  const power = powerOf(machine);
  if (whenRunning === 'stop' || power === 'stopped' || power === 'deallocated') return;
  throw new ImgkitError('FAILED_PRECONDITION', `${id} is ${power ?? 'not stopped'}`, {
    resource: id,
    hint: `Only the disks of a machine that has stopped are captured at the same moment: stop it first, or say providerOptions: { whenRunning: 'stop' }. ${instead}`,
    data: { dataDisks: objects(object(machine, 'storageProfile'), 'dataDisks').length },
  });
}
