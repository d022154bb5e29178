import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';

import { scratch } from '../../core/test/scratch.ts';
import type { CalledFor, ProcessTask } from './call-program.ts';
import type { EmulatedAzure } from './emulated-azure.ts';

/** Where Node keeps what it has compiled, for all that are killed. */
const modules = fileURLToPath(new URL('../node_modules/.cache/modules', import.meta.url));

/** What is left of a process: the token that it gave, if it came so far. */
export interface KilledCall {
  readonly token: string | undefined;
}

/**
 * Makes a call in a process of its own, and kills that with SIGKILL once something has happened.
 *
 * @param until - looks whether it has, and may look at what the process has said of its token.
 */
export async function killedCall(
  task: ProcessTask,
  until: (said: KilledCall) => boolean,
): Promise<KilledCall> {
  const program = fileURLToPath(new URL('call-program.ts', import.meta.url));
  const killed = spawn(
    process.execPath,
    ['--conditions=@imgkit/source', program, JSON.stringify(task)],
    {
      stdio: ['ignore', 'pipe', 'inherit'],
      env: { ...process.env, NODE_OPTIONS: '', NODE_COMPILE_CACHE: modules },
    },
  );
  let output = '';
  killed.stdout.on('data', (chunk: Buffer) => (output += chunk.toString()));
  const said = (): KilledCall => ({ token: /^(\S+)\n/.exec(output)?.[1] });
  const ended = once(killed, 'exit');
  while (!until(said()) && killed.exitCode === null) await delay(5);
  const isOver = killed.exitCode !== null;
  killed.kill('SIGKILL');
  await ended;
  if (isOver) throw new Error('it ended before it could be killed');
  return said();
}

/** Makes a call in another process, which is killed when it waits for the answer to a request that has its effect. */
export async function killAfter(
  { emulator, options }: EmulatedAzure,
  rpc: string,
  task: CalledFor,
): Promise<KilledCall> {
  const fault = { rpc, kind: 'drop', when: 'after', times: Infinity } as const;
  const stuck = emulator.faults.add(fault);
  const place = { stateDirectory: await scratch(), options };
  const left = await killedCall({ ...task, ...place }, () => stuck.struck > 0);
  stuck.remove();
  return left;
}
