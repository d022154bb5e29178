import { join } from 'node:path';
import { parentPort, workerData } from 'node:worker_threads';
import { Database } from './database.ts';

// Opens one fresh file after the other together with the other workers of database.test.ts, and reports what fails.

const {
  directory,
  gate,
  worker,
  workers,
  rounds,
}: {
  readonly directory: string;
  /** How many have come to the gate, and how often it was opened. */
  readonly gate: Int32Array<SharedArrayBuffer>;
  readonly worker: number;
  readonly workers: number;
  readonly rounds: number;
} = workerData;

for (let round = 0; round < rounds; round += 1) {
  if (Atomics.add(gate, 0, 1) === workers - 1) {
    Atomics.store(gate, 0, 0);
    Atomics.add(gate, 1, 1);
  } else {
    // One who sleeps here wakes up too late to meet the others.
    while (Atomics.load(gate, 1) === round);
  }
  try {
    using database = Database.open(join(directory, `${round}.db`), {
      subject: 'the list of things',
      migrations: ['CREATE TABLE thing (name TEXT PRIMARY KEY) STRICT'],
    });
    database.run('INSERT INTO thing (name) VALUES (?)', `${worker}`);
  } catch (error) {
    // oxlint-disable-next-line unicorn/require-post-message-target-origin -- this is a thread, not a window
    parentPort?.postMessage(`${round}: ${String(error)}`);
  }
}
