import type { OperationControl } from '@imgkit/core';

/** How many bytes are one step where nobody knows how many there are. */
const stepBytes = 64 * 2 ** 20;

/**
 * Tells how far a transfer has come: at each hundredth, and not with each piece, since everything that was told is
 * kept until the operation is forgotten.
 */
export function transferProgress(
  tell: OperationControl['progress'],
  message: string,
  totalBytes: number | undefined,
): (bytes: number) => void {
  let told = -1;
  return (bytes) => {
    const step = totalBytes
      ? Math.floor((bytes * 100) / totalBytes)
      : Math.floor(bytes / stepBytes);
    if (step <= told) return;
    told = step;
    tell(message, totalBytes ? Math.min(1, bytes / totalBytes) : undefined);
  };
}
