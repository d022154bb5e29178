/** The bytes of the footer of a VHD. */
export const footerBytes = 512;
const mib = 2 ** 20;

/**
 * What of a blob's end keeps Azure from reading it as a fixed VHD; nothing when it can.
 *
 * @param footer - The last 512 bytes.
 * @param size - The size of the blob, in bytes.
 */
export function whyNoVhd(footer: Buffer, size: number): string | undefined {
  const cookie = footer.toString('latin1', 0, 8);
  if (footer.length < footerBytes || cookie !== 'conectix')
    return "The specified cookie value in VHD footer indicates that it is not a supported VHD. Disk is expected to have cookie value 'conectix'.";
  if (footer.readUInt32BE(60) !== 2) return 'It is not a fixed VHD. Only fixed VHDs are supported.';
  if (footer.readUInt32BE(64) !== checksum(footer)) return 'The checksum of its footer is wrong.';
  const disk = Number(footer.readBigUInt64BE(48));
  if (disk !== size - footerBytes)
    return `Its footer tells a virtual size of ${disk} bytes, and there are ${size - footerBytes}.`;
  if (disk % mib !== 0)
    return `It has an unsupported virtual size of ${disk} bytes. The size must be a whole number (in MBs).`;
  return undefined;
}

function checksum(footer: Buffer): number {
  let sum = 0;
  for (const [index, byte] of footer.entries()) if (index < 64 || index >= 68) sum += byte;
  return ~sum >>> 0;
}
