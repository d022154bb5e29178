import { setTimeout as delay } from 'node:timers/promises';
import type { EmulatedCloud } from './cloud-bake-world.ts';
import type { Program, Ended } from './bake-world.ts';

/** What happened to programs that were killed, one after the other. */
export interface Survival {
  readonly kills: number;
  /** The kinds of change after which one was killed. */
  readonly survived: ReadonlySet<string>;
  /** The end of the one that came through. */
  readonly end: Ended;
}

/**
 * Lets every kind of change be carried out once without an answer that arrives, and kills the program then, until one
 * comes through.
 *
 * @param kinds - The methods of the cloud's API that change something.
 */
export async function killAfterEachChange(
  { faults }: EmulatedCloud,
  kinds: readonly string[],
  start: () => Program,
): Promise<Survival> {
  const survived = new Set<string>();
  for (let kills = 0; ; kills += 1) {
    const added = kinds
      .filter((rpc) => !survived.has(rpc))
      .map((rpc) => ({
        rpc,
        fault: faults.add({
          rpc,
          kind: 'status',
          status: 503,
          when: 'after',
          times: Number.POSITIVE_INFINITY,
        }),
      }));
    const program = start();
    const over = new AbortController();
    program.ended.finally(() => over.abort()).catch(() => undefined);
    const struck = await firstStruck(added, over.signal);
    if (struck === undefined) return { kills, survived, end: await program.ended };
    survived.add(struck);
    program.kill();
    const { killed } = await program.ended;
    if (!killed) throw new Error('the program ended by itself');
    faults.clear();
  }
}

/** The kind of the first change that was struck; nothing when the program ends before. */
async function firstStruck(
  added: readonly { readonly rpc: string; readonly fault: { readonly struck: number } }[],
  over: AbortSignal,
): Promise<string | undefined> {
  while (!over.aborted) {
    const struck = added.find(({ fault }) => fault.struck > 0);
    if (struck !== undefined) return struck.rpc;
    await delay(5);
  }
  return undefined;
}
