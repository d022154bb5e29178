import { randomUUID } from 'node:crypto';
import {
  ImgkitError,
  type Instance,
  type OperationControl,
  type RestoreRequest,
} from '@imgkit/core';

import { object, textMap, type WireObject } from '../api/wire.ts';
import type { GceContext } from '../context.ts';
import { creationLabels } from '../resources/creation.ts';
import { diagnosed } from '../machines/diagnosis.ts';
import { instanceKind, machineImageKind } from '../resources/kinds.ts';
import { keyLabel, toGceLabels } from '../resources/labels.ts';
import { expiry, refuseHostKey } from '../machines/launch.ts';
import { heldProperties, toMachineImage } from '../mapping/machine-image.ts';
import { readMachineOptions, type GceMachineOptions } from '../mapping/machine-options.ts';
import { toSettings, typeUrl } from '../mapping/machine-template.ts';
import { machineTypeName } from '../mapping/machine-type.ts';
import { changedMetadata } from '../mapping/metadata.ts';
import { restoredInterfaces, restoredScheduling } from '../mapping/restored-fields.ts';
import { checkName } from '../resources/names.ts';
import { formatId, parseIdOf, zoneOf } from '../resources/resource-id.ts';
import { makeResource, readResource } from '../resources/resource-calls.ts';

/** Makes a machine of a machine image: what the request leaves out is as it holds it. */
export async function restoreInstance(
  context: GceContext,
  request: RestoreRequest,
  control: OperationControl,
): Promise<Instance> {
  const { machineImage, name, idempotencyKey: key } = request;
  checkName('instance', name);
  refuseHostKey(request);
  refuseDisks(request);
  const options = readMachineOptions(request.providerOptions);
  const native = await readResource(context, machineImageKind, machineImage, control);
  const { instance } = toMachineImage(native);
  const zone =
    options.zone ??
    zoneOf(parseIdOf('instances', instance)?.scope ?? '') ??
    (await context.zone(control));
  const { project } = context;
  const scope = `zones/${zone}`;
  const expiresAt = expiry(request.expiresAt, context.clock.now());
  const place = { project, scope, options, expiresAt };
  const instanceResource = { name, ...toOverrides(request, heldProperties(native), place) };
  const id = formatId({ project, scope, collection: 'instances', name });
  const insert = { project, zone, sourceMachineImage: machineImage, instanceResource };
  const made = { id, key, call: 'machineImages.restore', request: insert };
  try {
    return await makeResource(context, instanceKind(context.provider), made, control);
  } catch (error) {
    throw await diagnosed(context, error, { instance: id });
  }
}

interface RestorePlace {
  readonly project: string;
  readonly scope: string;
  readonly options: GceMachineOptions;
  readonly expiresAt: string | undefined;
}

/** The fields of the new machine that differ from what the machine image holds. */
function toOverrides(
  request: RestoreRequest,
  held: WireObject | undefined,
  place: RestorePlace,
): WireObject {
  const { machineType, labels, metadata, authorizedKeys, startupScript, userData, ports } = request;
  const { options } = place;
  const guest = { metadata, authorizedKeys, startupScript, userData, ports };
  const told = Object.values(guest).some((part) => part !== undefined);
  const { [keyLabel]: _, ...heldLabels } = textMap(held, 'labels');
  const own = creationLabels(request.idempotencyKey);
  return {
    machineType:
      machineType === undefined
        ? undefined
        : typeUrl(place, 'machineTypes', machineTypeName(machineType)),
    // Google takes maps as a whole: what is held goes along.
    labels: labels === undefined ? { ...heldLabels, ...own } : toGceLabels(labels, own),
    metadata: told
      ? changedMetadata(object(held, 'metadata'), {
          ...guest,
          launch: request.idempotencyKey ?? randomUUID(),
        })
      : undefined,
    networkInterfaces: restoredInterfaces(held, place),
    ...toSettings(place),
    scheduling: restoredScheduling(held, place),
    description: options.description,
  };
}

function refuseDisks({ disks, bootDiskSizeBytes }: RestoreRequest): void {
  if (disks === undefined && bootDiskSizeBytes === undefined) return;
  throw new ImgkitError('UNSUPPORTED', 'the disks of a machine image are restored as they are', {
    hint: 'Leave `disks` and `bootDiskSizeBytes` out; make other disks beside.',
  });
}
