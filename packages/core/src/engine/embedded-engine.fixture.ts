import { join } from 'node:path';
import type { EngineFactory } from '../testing/engine-conformance-context.ts';
import { EmbeddedEngine } from './embedded-engine.ts';
import type { EmbeddedEngineParts } from './embedded-engine.ts';
import type { ProcessTable } from '../local/process-identity.ts';

const dead = new Set<number>();
let processes = 0;

/** Makes embedded engines that each believe to be a process of their own, so that one of them can die. */
export function embeddedEngines(
  directory: string,
  open?: EmbeddedEngineParts['open'],
): EngineFactory {
  return ({ scope, ...options }) => {
    processes += 1;
    const pid = processes;
    const table: ProcessTable = {
      self: () => ({ host: 'here', pid, started: '1' }),
      isAlive: (identity) => !dead.has(identity.pid),
    };
    const engine = new EmbeddedEngine(
      { directory: join(directory, scope), ...options },
      { processes: table, ...(open === undefined ? {} : { open }) },
    );
    return {
      engine,
      kill() {
        dead.add(pid);
        engine.abandon();
      },
      stall: () => void dead.add(pid),
    };
  };
}
