const bufferBytes = 1_048_576;

/** A part of what a serial port printed. */
export interface SerialOutput {
  readonly contents: string;
  /** The position of its first byte. */
  readonly start: number;
  /** The position to ask from next time. */
  readonly next: number;
}

/**
 * The output of a serial port from a position on. Only the last megabyte is kept: `start` says where what
 * is given really begins. A negative position counts from the end.
 *
 * @see https://cloud.google.com/compute/docs/reference/rest/v1/instances/getSerialPortOutput
 */
export function serialOutput(printed: string, from = 0): SerialOutput {
  const bytes = Buffer.from(printed);
  const wanted = from < 0 ? bytes.length + from : from;
  const start = Math.max(0, Math.min(wanted, bytes.length), bytes.length - bufferBytes);
  return { contents: bytes.toString('utf8', start), start, next: bytes.length };
}
