import { objectsOf, textOf } from '../../control-plane/json.ts';
import type { Stored } from '../state.ts';
import { findMachineType, type MachineType } from './machine-types.ts';

/** An instance, with what its resource doesn't tell. */
export interface InstanceRecord extends Stored {
  /** What its serial port printed, when no real machine stands behind it. */
  printed: string;
  /** Takes back what ends it when its time is over. */
  disarm: () => void;
  /** Told when it is gone. */
  readonly watchers: Set<() => void>;
}

/** What an instance's status says of its machine. */
export function isStopped({ resource }: Stored): boolean {
  return resource['status'] === 'TERMINATED' || resource['status'] === 'SUSPENDED';
}

/** The size of an instance. */
export function machineTypeOf({ resource }: Stored): MachineType | undefined {
  return findMachineType(textOf(resource, 'machineType')?.split('/').at(-1) ?? '');
}

/** Whether an instance has an address for the outside. */
export function isExternal({ resource }: Stored): boolean {
  return objectsOf(resource, 'networkInterfaces').some(
    (nic) => objectsOf(nic, 'accessConfigs').length > 0,
  );
}
