import { existsSync } from 'node:fs';
import { join } from 'node:path';

import * as fc from 'fast-check';
import { expect, it } from 'vitest';

import { scratch } from '../../test/scratch.ts';
import { makeDisks, stageCopy, testRecords } from '../../test/store-fixture.ts';
import type { StagedBlob } from './blob-store.ts';
import { LocalStore } from './local-store.ts';

/** One step of one of two processes that share a store. */
type Step =
  | { readonly do: 'stage'; readonly by: 0 | 1; readonly disk: number }
  | { readonly do: 'commit'; readonly by: 0 | 1 }
  | { readonly do: 'discard'; readonly by: 0 | 1 }
  | { readonly do: 'delete'; readonly by: 0 | 1; readonly which: number }
  | { readonly do: 'claim'; readonly by: 0 | 1; readonly which: number }
  | { readonly do: 'unclaim'; readonly by: 0 | 1; readonly which: number }
  | { readonly do: 'gc'; readonly by: 0 | 1 };

const by = fc.constantFrom<0 | 1>(0, 1);
const which = fc.nat(7);
const step: fc.Arbitrary<Step> = fc.oneof(
  fc.record({ do: fc.constant('stage' as const), by, disk: fc.nat(2) }),
  fc.record({ do: fc.constant('commit' as const), by }),
  fc.record({ do: fc.constant('discard' as const), by }),
  fc.record({ do: fc.constant('delete' as const), by, which }),
  fc.record({ do: fc.constant('claim' as const), by, which }),
  fc.record({ do: fc.constant('unclaim' as const), by, which }),
  fc.record({ do: fc.constant('gc' as const), by }),
);

function at<V>(items: Iterable<V>, index: number): V | undefined {
  const all = [...items];
  return all[index % Math.max(1, all.length)];
}

it('no order of taking in, referring, deleting and collecting loses a blob that is needed', async () => {
  const disks = await makeDisks(3);
  const directory = await scratch();
  let round = 0;
  let collected = 0;
  await fc.assert(
    fc.asyncProperty(
      fc.array(step, { minLength: 20, maxLength: 60, size: 'max' }),
      async (steps) => {
        const root = join(directory, String(round++));
        using one = await LocalStore.open(root);
        using two = await LocalStore.open(root);
        const stores = [one, two] as const;
        const staged: StagedBlob[][] = [[], []];
        // The model: which digests are needed by how many records and overlays.
        const records = new Map<number, string>();
        const overlays = new Map<string, string>();
        let count = 0;
        for (const action of steps) {
          const store = stores[action.by];
          const mine = staged[action.by] ?? [];
          switch (action.do) {
            case 'stage':
              mine.push(await stageCopy(store, disks[action.disk] ?? ''));
              break;
            case 'commit': {
              const blob = mine.pop();
              if (blob === undefined) break;
              const seq = store.blobs.commit<number>([blob], () => {
                const all = testRecords(store);
                const doc = { digest: blob.digest };
                const record = all.insert({
                  project: 'p',
                  name: `r${count++}`,
                  state: 'READY',
                  doc,
                });
                all.refer(record.seq, [blob.digest]);
                return record.seq;
              });
              records.set(seq, blob.digest);
              break;
            }
            case 'discard':
              await store.blobs.discard(mine.splice(0));
              break;
            case 'delete': {
              const seq = at(records.keys(), action.which);
              if (seq !== undefined && testRecords(store).delete(seq)) records.delete(seq);
              break;
            }
            case 'claim': {
              const digest = at(records.values(), action.which);
              if (digest === undefined) break;
              const path = join(store.layout.disks, `d${count++}`);
              store.overlays.claim(path, digest);
              overlays.set(path, digest);
              break;
            }
            case 'unclaim': {
              const path = at(overlays.keys(), action.which);
              if (path === undefined) break;
              await store.overlays.remove(path);
              overlays.delete(path);
              break;
            }
            case 'gc':
              collected += (await store.gc()).length;
              break;
          }
          const needed = new Set([...records.values(), ...overlays.values()]);
          const rows = one.catalog
            .all('SELECT digest FROM blobs')
            .map((row) => String(row['digest']));
          for (const digest of needed) expect(rows).toContain(digest);
          for (const digest of rows) expect(existsSync(one.blobs.path(digest))).toBe(true);
        }
        for (const [index, store] of stores.entries())
          await store.blobs.discard(staged[index] ?? []);
        collected += (await one.gc()).length;
        const needed = new Set([...records.values(), ...overlays.values()]);
        const rows = one.catalog
          .all('SELECT digest FROM blobs')
          .map((row) => String(row['digest']));
        expect(rows.toSorted()).toEqual([...needed].toSorted());
      },
    ),
    { numRuns: 25 },
  );
  // The property would hold of a collector that never collects.
  expect(collected).toBeGreaterThan(10);
}, 120_000);
