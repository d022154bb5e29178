import type { AttachedDisk, Instance, InstanceStatus } from '@imgkit/core';

import { flag, number, object, objects, text, textMap, type WireObject } from '../api/wire.ts';
import { fromGceLabels } from '../resources/labels.ts';
import { shortId } from '../resources/resource-id.ts';
import { bareName } from './machine-type.ts';
import { readMetadata } from './metadata.ts';
import { gib, toInstant } from '../mapping.ts';

/** Google's statuses. A machine in repair runs again soon, by itself. */
const statuses: Readonly<Record<string, InstanceStatus>> = {
  PENDING: 'PENDING',
  PROVISIONING: 'PENDING',
  STAGING: 'PENDING',
  REPAIRING: 'PENDING',
  RUNNING: 'RUNNING',
  PENDING_STOP: 'STOPPING',
  STOPPING: 'STOPPING',
  SUSPENDING: 'STOPPING',
  SUSPENDED: 'STOPPED',
  STOPPED: 'STOPPED',
  TERMINATED: 'STOPPED',
  DEPROVISIONING: 'DELETING',
};

/** An instance as the contract has it. */
export function toInstance(native: WireObject, provider: string): Instance {
  const { metadata, image } = readMetadata(native);
  const status = statuses[text(native, 'status') ?? ''] ?? 'PENDING';
  return {
    id: shortId(text(native, 'selfLink') ?? ''),
    name: text(native, 'name') ?? '',
    status,
    createdAt: toInstant(text(native, 'creationTimestamp')),
    labels: fromGceLabels(textMap(native, 'labels')),
    image: image === undefined ? undefined : { provider, id: image },
    machineType: bareName(text(native, 'machineType') ?? ''),
    disks: objects(native, 'disks').map(toAttachedDisk),
    metadata,
    reason: status === 'RUNNING' ? undefined : reasonOf(native),
    native,
  };
}

/** The address at which a machine is reached: the external one unless it has none, or the internal is preferred. */
export function addressOf(native: WireObject, prefer: 'external' | 'internal'): string | undefined {
  const interfaces = objects(native, 'networkInterfaces');
  const internal = interfaces.map((one) => text(one, 'networkIP'));
  const external = interfaces
    .flatMap((one) => objects(one, 'accessConfigs'))
    .map((config) => text(config, 'natIP'));
  const all = prefer === 'internal' ? [...internal, ...external] : [...external, ...internal];
  return all.find((address) => address !== undefined);
}

/** The public host keys that Google's guest agent has published, in OpenSSH's format. */
export function toHostKeys(attributes: WireObject): readonly string[] {
  return objects(object(attributes, 'queryValue'), 'items').flatMap((item) => {
    const [type, value] = [text(item, 'key'), text(item, 'value')];
    const isKey = /^(?:ssh|ecdsa)-[-\w]+$/.test(type ?? '') && /^[\w+/=]+$/.test(value ?? '');
    return isKey && text(item, 'namespace') === 'hostkeys' ? [`${type} ${value}`] : [];
  });
}

function toAttachedDisk(disk: WireObject): AttachedDisk {
  return {
    id: shortId(text(disk, 'source') ?? text(disk, 'deviceName') ?? ''),
    boot: flag(disk, 'boot'),
    sizeBytes: (number(disk, 'diskSizeGb') ?? 0) * gib,
    deleteWithInstance: flag(disk, 'autoDelete'),
  };
}

function reasonOf(native: WireObject): string | undefined {
  const [status, message] = [text(native, 'status'), text(native, 'statusMessage')];
  if (message !== undefined) return message;
  return status === 'REPAIRING' || status === 'SUSPENDED' ? `Google says ${status}` : undefined;
}
