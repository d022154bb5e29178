import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { engineChecks, runEngineCheck } from '../testing/engine-conformance.ts';
import type { EngineFactory } from '../testing/engine-conformance-context.ts';
import { embeddedEngines } from './embedded-engine.fixture.ts';
import { openJournal } from './journal.ts';
import type { Journal } from './journal.ts';
import type { Intent } from './ledger-table.ts';

// Each of the engine's rules is broken once; the named check must notice. A suite that lets one pass proves nothing.

const directory = mkdtempSync(join(tmpdir(), 'imgkit-mutants-'));
afterAll(() => rmSync(directory, { recursive: true, force: true }));

interface Mutant {
  readonly rule: string;
  /** A part of the name of the check that must fail. */
  readonly caughtBy: string;
  readonly mutate: (journal: Journal) => void;
}

const mutants: readonly Mutant[] = [
  {
    rule: 'the intent is written before the create',
    caughtBy: 'has the intent in the ledger before the create',
    mutate({ ledger }) {
      const late = new Map<string, Intent>();
      const [intend, created] = [ledger.intend.bind(ledger), ledger.created.bind(ledger)];
      ledger.intend = (intent) => void late.set(intent.token, intent);
      ledger.created = (token, id) => {
        const intent = late.get(token);
        if (intent !== undefined) intend(intent);
        created(token, id);
      };
    },
  },
  {
    rule: 'an intent is looked up when its answer was lost',
    caughtBy: 'removes a resource whose answer was lost',
    mutate({ ledger }) {
      const tree = ledger.tree.bind(ledger);
      ledger.tree = (run) => tree(run).filter(({ state }) => state !== 'intent');
    },
  },
  {
    rule: 'the id is written after the create',
    caughtBy: 'removes everything of a run that fails',
    mutate({ ledger }) {
      ledger.created = () => undefined;
    },
  },
  {
    rule: 'what is made last is removed first',
    caughtBy: 'removes everything of a run that fails, the newest first',
    mutate({ ledger }) {
      const tree = ledger.tree.bind(ledger);
      ledger.tree = (run) => tree(run).toReversed();
    },
  },
  {
    rule: 'what a run wants kept is kept when it succeeds',
    caughtBy: 'keeps what a run that succeeds wants kept',
    mutate({ ledger }) {
      ledger.keepOnSuccess = () => [];
    },
  },
  {
    rule: 'what could not be removed is noted',
    caughtBy: 'tells what could not be removed',
    mutate({ ledger }) {
      ledger.left = () => undefined;
    },
  },
  {
    rule: 'what was removed is noted',
    caughtBy: 'leaves nothing when a run is cancelled',
    mutate({ ledger }) {
      ledger.deleted = () => undefined;
    },
  },
  {
    rule: 'a write is refused when the run is lost',
    caughtBy: 'refuses what a process writes that has lost its run',
    mutate({ runs }) {
      runs.holds = () => true;
    },
  },
  {
    rule: 'a run is taken over only when its process is dead',
    caughtBy: 'goes on with the run of a process that was killed',
    mutate({ executors }) {
      executors.isAlive = () => false;
    },
  },
  {
    rule: 'a run is taken over when its process is dead',
    caughtBy: 'goes on with the run of a process that was killed',
    mutate({ executors }) {
      executors.isAlive = () => true;
    },
  },
  {
    rule: 'a step that has ended is recorded',
    caughtBy: 'does not run a recorded step again',
    mutate({ steps }) {
      steps.succeed = () => undefined;
    },
  },
  {
    rule: 'a step that has failed is recorded',
    caughtBy: 'throws the recorded error of a failed step again',
    mutate({ steps }) {
      steps.fail = () => undefined;
    },
  },
  {
    rule: 'a heartbeat is recorded',
    caughtBy: 'hands on the last heartbeat',
    mutate({ steps }) {
      steps.heartbeat = () => undefined;
    },
  },
  {
    rule: 'a timer is recorded',
    caughtBy: 'does not start a timer anew',
    mutate({ steps }) {
      const start = steps.start.bind(steps);
      steps.start = (scope, name, now) => start(scope, name, now);
    },
  },
  {
    rule: 'a step that is no longer known is reported',
    caughtBy: 'reports the step it no longer knows',
    mutate({ steps }) {
      steps.markUnknown = () => undefined;
    },
  },
  {
    rule: 'a cancellation is heard in other processes',
    caughtBy: 'cancels a run that another process works on',
    mutate({ runs }) {
      runs.cancelRequests = () => [];
    },
  },
  {
    rule: 'a clean-up that was cut off is found again',
    caughtBy: 'finishes a clean-up that was cut off',
    mutate({ runs }) {
      runs.unfinishedRoots = () => [];
    },
  },
  {
    rule: 'a limit counts the runs of all processes',
    caughtBy: 'never runs more children than their limit allows',
    mutate({ runs }) {
      runs.placeHolders = () => [];
    },
  },
  {
    rule: 'the places of the dead are free',
    caughtBy: 'gives back the places of a process that was killed',
    mutate({ runs, executors }) {
      const placeHolders = runs.placeHolders.bind(runs);
      runs.placeHolders = (key) => placeHolders(key).map(() => executors.id);
    },
  },
  {
    rule: 'events have no gap',
    caughtBy: 'numbers events without a gap',
    mutate({ events }) {
      const append = events.append.bind(events);
      events.append = (root, some) => append(root, some.slice(0, 60));
    },
  },
  {
    rule: 'a signal is taken once',
    caughtBy: 'hands on signals in their order, each once',
    mutate({ signals, database }) {
      const take = signals.take.bind(signals);
      signals.take = (run, topic) => {
        const payload = take(run, topic);
        database.run('UPDATE signal SET taken = 0');
        return payload;
      };
    },
  },
  {
    rule: 'a signal with the same key counts once',
    caughtBy: 'hands on signals in their order, each once',
    mutate({ signals }) {
      const send = signals.send.bind(signals);
      signals.send = (run, topic, key, payload) => send(run, topic, key + payload, payload);
    },
  },
  {
    rule: 'what a forgotten run kept is not forgotten',
    caughtBy: 'forgets old runs, but never what they kept',
    mutate({ runs, database }) {
      const forget = runs.forget.bind(runs);
      runs.forget = (root) => {
        forget(root);
        database.run('DELETE FROM ledger WHERE root = ?', root);
      };
    },
  },
  {
    rule: 'a restart is a new attempt',
    caughtBy: 'starts a failed run anew as its next attempt',
    mutate({ runs, database }) {
      const restart = runs.restart.bind(runs);
      runs.restart = (run) => {
        restart(run);
        database.run('UPDATE run SET attempt = 1 WHERE id = ?', run.id);
      };
    },
  },
];

/** A check that hangs has noticed too. */
const patienceMs = 4000;

async function outcome(caughtBy: string, createEngine: EngineFactory): Promise<string> {
  const checks = Object.values(engineChecks)
    .flat()
    .filter(({ name }) => name.includes(caughtBy));
  const [check] = checks;
  if (check === undefined || checks.length > 1) throw new Error(`no single check "${caughtBy}"`);
  let timer: NodeJS.Timeout | undefined;
  const hangs = new Promise<string>((resolve) => {
    timer = setTimeout(() => resolve('hangs'), patienceMs);
  });
  const runs = runEngineCheck(check, createEngine).then(
    () => 'passes',
    () => 'fails',
  );
  return Promise.race([runs, hangs]).finally(() => clearTimeout(timer));
}

describe('the engine suite', () => {
  it.for(mutants.map((mutant) => [mutant.rule, mutant] as const))(
    'notices when it no longer holds that %s',
    { timeout: 30_000 },
    async ([, { caughtBy, mutate }]) => {
      const createEngine = embeddedEngines(directory, async (...parts) => {
        const journal = await openJournal(...parts);
        mutate(journal);
        return journal;
      });
      expect(await outcome(caughtBy, createEngine)).not.toBe('passes');
    },
  );
});
