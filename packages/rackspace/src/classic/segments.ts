const mib = 1 << 20;

/**
 * How large segments are, and how many of a size there are, the last size as many as it takes. One is held in memory
 * while it is sent, so that it can be sent again: disks of 3 GiB take little of it. The disk of the largest size makes
 * no more than 1,000 of them, as many as Cloud Files puts together. The same disk always makes the same segments.
 */
const sizes = [
  { bytes: 16 * mib, count: 192 },
  { bytes: 32 * mib, count: 192 },
  { bytes: 56 * mib, count: Infinity },
] as const;

/** How long the segment of a number is, from 0 on, if there is as much. */
export function segmentBytes(number: number): number {
  let first = 0;
  for (const { bytes, count } of sizes) {
    if (number < first + count) return bytes;
    first += count;
  }
  return 0;
}

/** Cuts a stream into segments. A segment is only good until the next is asked for. */
export async function* segmentsOf(
  stream: AsyncIterable<Uint8Array>,
): AsyncGenerator<Buffer<ArrayBuffer>, void, undefined> {
  let number = 0;
  let buffer = Buffer.allocUnsafe(segmentBytes(number));
  let used = 0;
  for await (const chunk of stream) {
    for (let at = 0; at < chunk.length;) {
      const part = chunk.subarray(at, at + buffer.length - used);
      buffer.set(part, used);
      used += part.length;
      at += part.length;
      if (used < buffer.length) continue;
      yield buffer;
      number += 1;
      if (buffer.length !== segmentBytes(number)) buffer = Buffer.allocUnsafe(segmentBytes(number));
      used = 0;
    }
  }
  if (used > 0) yield buffer.subarray(0, used);
}
