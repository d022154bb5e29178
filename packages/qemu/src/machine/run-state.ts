import { z } from 'zod';

import type { QmpClient } from './qmp.ts';

const statusSchema = z.object({ status: z.string() });

/** What QEMU says that the machine does: `running`, `paused`, `inmigrate`… */
export async function runState(client: QmpClient): Promise<string> {
  return statusSchema.parse(await client.execute('query-status')).status;
}

/** Lets a machine go on that a program which died while saving it left paused. */
export async function proceed(client: QmpClient): Promise<void> {
  const state = await runState(client);
  if (state === 'paused' || state === 'postmigrate') await client.execute('cont');
}

/** Which host port leads to each port of the guest, from what QEMU's `info usernet` prints. */
export function forwardedPorts(usernet: string): Record<string, number> {
  const lines = usernet.matchAll(/TCP\[HOST_FORWARD\]\s+\S+\s+127\.0\.0\.1\s+(\d+)\s+\S+\s+(\d+)/g);
  return Object.fromEntries([...lines].map(([, host, guest]) => [String(guest), Number(host)]));
}
