import type { MachineImage } from '@imgkit/core';

import { flag, number, object, objects, text, textMap, type WireObject } from '../api/wire.ts';
import { fromGceLabels } from '../resources/labels.ts';
import { shortId } from '../resources/resource-id.ts';
import { toStatus } from './disk.ts';
import { bareName } from './machine-type.ts';
import { gib, toInstant } from '../mapping.ts';

/** A machine image as the contract has it. */
export function toMachineImage(native: WireObject): MachineImage {
  const properties = heldProperties(native);
  return {
    id: shortId(text(native, 'selfLink') ?? ''),
    name: text(native, 'name') ?? '',
    status: toStatus(native),
    instance: shortId(text(native, 'sourceInstance') ?? ''),
    createdAt: toInstant(text(native, 'creationTimestamp')),
    labels: fromGceLabels(textMap(native, 'labels')),
    disks: objects(properties, 'disks')
      .map((disk) => ({
        boot: flag(disk, 'boot'),
        sizeBytes:
          (number(disk, 'diskSizeGb') ??
            number(object(disk, 'initializeParams'), 'diskSizeGb') ??
            0) * gib,
      }))
      .toSorted((a, b) => Number(b.boot) - Number(a.boot)),
    machineType: bareName(text(properties, 'machineType') ?? ''),
    native,
  };
}

/** What a machine image holds of its machine; older ones have it under another name. */
export function heldProperties(native: WireObject): WireObject | undefined {
  return object(native, 'instanceProperties') ?? object(native, 'sourceInstanceProperties');
}
