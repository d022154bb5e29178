import { createImgkit, type Imgkit } from '@imgkit/core';
import { qemu } from '@imgkit/qemu';

/** Two projects of one store: `qemu` publishes, `team-b` consumes. */
export function openKit(signal: AbortSignal): Promise<Imgkit> {
  return createImgkit({
    providers: [qemu(), qemu({ name: 'team-b', project: 'team-b' })],
    signal,
  });
}
