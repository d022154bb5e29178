// Takes disks into the store in a loop until it is killed: run by the crash test, several at once.
import { readFileSync } from 'node:fs';
import { flushCompileCache } from 'node:module';
import { join } from 'node:path';

import { z } from 'zod';

import { LocalStore } from '../src/store/local-store.ts';
import { Records } from '../src/store/records.ts';

const [root = '', disks = '', writer = ''] = process.argv.slice(2);
const store = await LocalStore.open(root);
const records = new Records(store.catalog, 'test', z.object({ digest: z.string() }));
const names = z.array(z.string()).parse(JSON.parse(readFileSync(disks, 'utf8')));

flushCompileCache();
console.log('ready');
for (let round = 0; ; round++) {
  const source = names[round % names.length] ?? '';
  const staged = await store.blobs.stageFile(source);
  const name = `${writer}-${process.pid}-${round}`;
  store.blobs.commit<void>([staged], () => {
    const { seq } = records.insert({
      project: 'p',
      name,
      state: 'READY',
      doc: { digest: staged.digest },
    });
    records.refer(seq, [staged.digest]);
  });
  await store.overlays.create(join(store.layout.disks, `${name}.qcow2`), staged.digest);
  // Half of what is made is deleted again, so that there is always something to collect.
  if (round % 2 === 1) {
    const record = records.find('p', name);
    if (record !== undefined) records.delete(record.seq);
    await store.overlays.remove(join(store.layout.disks, `${name}.qcow2`));
  }
  if (round % 5 === 4) await store.gc();
}
