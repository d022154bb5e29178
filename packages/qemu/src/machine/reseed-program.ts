/**
 * A Linux program for x86-64 that makes the kernel draw a new key for its random numbers from all
 * the entropy it has: `ioctl(open("/dev/urandom"), RNDRESEEDCRNG)`. It ends with 0, or with the
 * number of the error.
 *
 * Writing to `/dev/urandom` alone changes nothing at once: for up to a minute two guests resumed
 * from one state would draw the same numbers, and no shell has a way to make that call.
 */
export function reseedProgram(): Buffer {
  const path = Buffer.from('/dev/urandom\0');
  const code = [
    [0x48, 0x8d, 0x3d, 0, 0, 0, 0], // lea rdi, [rip + path], patched below
    [0xbe, 0x01, 0x00, 0x00, 0x00], // mov esi, O_WRONLY
    [0x31, 0xd2], // xor edx, edx
    [0xb8, 0x02, 0x00, 0x00, 0x00], // mov eax, open
    [0x0f, 0x05], // syscall
    [0x89, 0xc7], // mov edi, eax
    [0xbe, 0x07, 0x52, 0x00, 0x00], // mov esi, RNDRESEEDCRNG
    [0x31, 0xd2], // xor edx, edx
    [0xb8, 0x10, 0x00, 0x00, 0x00], // mov eax, ioctl
    [0x0f, 0x05], // syscall
    [0xf7, 0xd8], // neg eax
    [0x89, 0xc7], // mov edi, eax
    [0xb8, 0x3c, 0x00, 0x00, 0x00], // mov eax, exit
    [0x0f, 0x05], // syscall
  ].flat();
  const text = Buffer.concat([Buffer.from(code), path]);
  text.writeInt32LE(code.length - 7, 3);

  const headers = Buffer.alloc(64 + 56);
  const base = 0x400000n;
  const size = BigInt(headers.length + text.length);
  headers.set([0x7f, 0x45, 0x4c, 0x46, 2, 1, 1]); // ELF, 64 bits, little-endian, version 1
  headers.writeUInt16LE(2, 16); // an executable
  headers.writeUInt16LE(62, 18); // for x86-64
  headers.writeUInt32LE(1, 20);
  headers.writeBigUInt64LE(base + BigInt(headers.length), 24); // begins behind the headers
  headers.writeBigUInt64LE(64n, 32); // where the program headers are
  headers.writeUInt16LE(64, 52);
  headers.writeUInt16LE(56, 54);
  headers.writeUInt16LE(1, 56); // one of them:
  headers.writeUInt32LE(1, 64); // load
  headers.writeUInt32LE(5, 68); // to be read and executed
  headers.writeBigUInt64LE(base, 80); // at this address
  headers.writeBigUInt64LE(base, 88);
  headers.writeBigUInt64LE(size, 96); // so many bytes of the file
  headers.writeBigUInt64LE(size, 104);
  headers.writeBigUInt64LE(0x1000n, 112);
  return Buffer.concat([headers, text]);
}
