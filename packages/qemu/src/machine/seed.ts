import { checkedStartupScript, guestUserData } from '@imgkit/core';

import { fatVolume } from './fat.ts';
import { identityBytes, identityRecord, type Identity } from './identity-record.ts';
import { metaData, type GuestSettings } from './meta-data.ts';

/** The size of the seed disk's volume in bytes, behind which the identity record begins. */
export const volumeBytes = 4 * 1024 * 1024;

/** The serial number by which a guest finds its seed disk among its block devices. */
export const seedSerial = 'imgkit-seed';

/**
 * Makes the disk image of a NoCloud seed: a FAT volume labelled CIDATA and, behind it, the record
 * from which a machine resumed from a saved state takes its new identity.
 */
export function seedDisk(settings: GuestSettings, identity: Identity): Buffer {
  const files = [
    { name: 'meta-data', content: metaData(settings) },
    { name: 'user-data', content: guestUserData(settings) },
  ];
  if (settings.startupScript !== undefined) {
    files.push({ name: 'startup-script', content: checkedStartupScript(settings.startupScript) });
  }
  return Buffer.concat(
    [fatVolume('CIDATA', files, volumeBytes), identityRecord(identity)],
    volumeBytes + identityBytes,
  );
}
