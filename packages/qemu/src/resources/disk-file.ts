import { join } from 'node:path';

import type { LocalStore } from '../store/local-store.ts';
import type { StoredRecord } from '../store/records.ts';

/** The qcow2 file of a free-standing disk. It is named by the record's number, which is never used again. */
export function diskFile(store: LocalStore, record: Pick<StoredRecord<unknown>, 'seq'>): string {
  return join(store.layout.disks, `${record.seq}.qcow2`);
}
