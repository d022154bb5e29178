/** The largest disk, and the largest file, that Cloud Images takes. */
const maxBytes = 40 * 2 ** 30;

/**
 * Checks a file as Cloud Images does before it makes an image of it.
 *
 * @returns The message of the failed task, which begins with its code; `undefined` for a good one.
 */
export function vhdFault(file: Buffer): string | undefined {
  const footer = file.subarray(-512);
  if (file.length < 512 || footer.toString('latin1', 0, 8) !== 'conectix')
    return '396: the file is not a VHD';
  if (!isSummed(footer, 64)) return '111: the VHD is invalid, its footer has a wrong checksum';
  const type = footer.readUInt32BE(60);
  if (type === 4) return '721: the VHD has a parent disk';
  if (type !== 2 && type !== 3) return '523: only fixed and dynamic disks are supported';
  if (footer.subarray(68, 84).every((byte) => byte === 0))
    return '614: the UUID of the VHD is zero';
  const virtual = Number(footer.readBigUInt64BE(48));
  if (virtual > maxBytes) return '413: the virtual size of the VHD is over 40 GB';
  if (file.length > maxBytes) return '609: the physical size of the VHD is over 40 GB';
  if (type === 2)
    return file.length === virtual + 512 ? undefined : '111: the VHD is invalid, it is cut short';
  return dynamicFault(file, virtual);
}

/** https://learn.microsoft.com/en-us/windows/win32/vstor/about-vhd: header, table, blocks. */
function dynamicFault(file: Buffer, virtual: number): string | undefined {
  const at = Number(file.readBigUInt64BE(16));
  const header = file.subarray(at, at + 1024);
  if (header.toString('latin1', 0, 8) !== 'cxsparse' || !isSummed(header, 36))
    return '111: the VHD is invalid, its header is wrong';
  const table = Number(header.readBigUInt64BE(16));
  const entries = header.readUInt32BE(28);
  const block = header.readUInt32BE(32);
  if (entries * block < virtual) return '111: the VHD is invalid, its table is too short';
  for (let index = 0; index < entries; index += 1) {
    const sector = file.readUInt32BE(table + index * 4);
    if (sector === 0xff_ff_ff_ff) continue;
    const end = sector * 512 + block / 8 / 512 + block;
    if (end > file.length - 512) return '111: the VHD is invalid, a block is behind its end';
  }
  return undefined;
}

/** Whether a structure has the checksum it says: the complement of the sum of its other bytes. */
function isSummed(bytes: Buffer, at: number): boolean {
  let sum = 0;
  for (const [index, byte] of bytes.entries()) if (index < at || index >= at + 4) sum += byte;
  return ~sum >>> 0 === bytes.readUInt32BE(at);
}
