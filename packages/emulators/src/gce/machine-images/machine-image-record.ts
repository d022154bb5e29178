import type { SavedDisk } from '../disks/new-disk.ts';
import type { Stored } from '../state.ts';

/** A machine image, with what its resource doesn't tell. */
export interface MachineImageRecord extends Stored {
  /** Its disks, the boot disk first. */
  readonly saved: readonly SavedDisk[];
}
