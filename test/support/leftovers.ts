import type { Imgkit, Provider } from '@imgkit/core';

/**
 * What should not be there when nothing is at work: machines, disks and snapshots of a provider, open entries of the
 * kit's ledger, runs without an end, and what a sweep would remove. Empty when all is well.
 */
export async function leftoversOf(kit: Imgkit, provider: Provider): Promise<string[]> {
  const left: string[] = [];
  for (const kind of ['instances', 'disks', 'snapshots'] as const)
    for await (const { id } of provider[kind]?.list() ?? []) left.push(`${kind}: ${id}`);
  for await (const { kind, id, state, step } of kit.engine.ledger())
    if (state !== 'deleted' && state !== 'kept')
      left.push(`ledger: ${step}: ${kind} ${id} ${state}`);
  for await (const { id, state, finishedAt } of kit.runs.list({ children: true }))
    if (finishedAt === undefined) left.push(`run ${id} is ${state}`);
  const { plan } = await kit.runs.sweep();
  for (const { action, resource, reason } of plan)
    if (action === 'remove') left.push(`sweep: ${resource.id}: ${reason}`);
  return left;
}
