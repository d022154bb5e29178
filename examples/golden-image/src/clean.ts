import type { Imgkit } from '@imgkit/core';
import type { JobContext } from './job-context.ts';
import { openKit } from './kit.ts';

/** Stops the runs that an earlier program left at work, and removes what they made and didn't keep. */
export async function clean({ screen, signal }: JobContext): Promise<void> {
  await using kit = await openKit(signal);
  screen.heading('Cleaning up');
  let removed = 0;
  for (const id of await unfinished(kit, signal)) {
    const report = await kit.runs.cancel(id, { reason: 'cleaned up by hand', signal });
    for (const { kind, id: resource } of report.removed) screen.step(`removed ${kind} ${resource}`);
    removed += report.removed.length;
  }
  const { plan } = await kit.runs.sweep({ signal });
  const doomed = plan.filter(({ action }) => action === 'remove');
  for (const { resource, reason } of doomed)
    screen.step(`removing ${resource.kind} ${resource.id}: ${reason}`);
  if (doomed.length > 0) await kit.runs.sweep({ dryRun: false, plan, signal });
  screen.step(
    removed + doomed.length === 0
      ? 'there was nothing to remove'
      : `${removed + doomed.length} resources removed`,
  );
}

async function unfinished(kit: Imgkit, signal: AbortSignal): Promise<string[]> {
  const ids: string[] = [];
  for await (const { id } of kit.runs.list({ states: ['PENDING', 'RUNNING', 'CLEANING'], signal }))
    ids.push(id);
  return ids;
}
