/**
 * How large segments are: with at most 1,000 of them, as many as Cloud Files puts together, a disk of the largest
 * size fits. One is held in memory while it is sent, so that it can be sent again.
 */
const segmentBytes = 48 << 20;
/** The first segments are shorter, so that small disks take little memory. */
const firstBytes = 8 << 20;

/** Cuts a stream into segments. */
export async function* segmentsOf(
  stream: AsyncIterable<Uint8Array>,
): AsyncGenerator<Buffer<ArrayBuffer>, void, undefined> {
  let buffer = Buffer.allocUnsafe(firstBytes);
  let used = 0;
  for await (const chunk of stream) {
    for (let at = 0; at < chunk.length;) {
      const part = chunk.subarray(at, at + buffer.length - used);
      buffer.set(part, used);
      used += part.length;
      at += part.length;
      if (used < buffer.length) continue;
      yield buffer;
      // What was given is sent by now.
      if (buffer.length < segmentBytes)
        buffer = Buffer.allocUnsafe(Math.min(buffer.length * 2, segmentBytes));
      used = 0;
    }
  }
  if (used > 0) yield buffer.subarray(0, used);
}
