import assert from 'node:assert/strict';
import type { CallOptions } from '../../../spec/call-options.ts';
import { ImgkitError } from '../../../spec/errors.ts';
import type { Operation } from '../../../spec/operation.ts';
import { assertRefused, checkError } from '../assertions.ts';
import type { ConformanceTopic } from '../topic.ts';
import type { Trial } from '../trial.ts';

type Start = (options: CallOptions) => Operation<unknown>;

/** When a call is cancelled, and how that moment is waited for. */
const moments: Readonly<Record<string, (operation: Operation<unknown>) => Promise<unknown>>> = {
  'at once': () => Promise.resolve(),
  'when the cloud has accepted': (operation) => operation.token().catch(() => undefined),
  'at the first progress': (operation) => operation[Symbol.asyncIterator]().next(),
};

/** Checks that a cancelled create leaves nothing behind, or goes on with a token. */
async function checkCancellation(trial: Trial, start: Start): Promise<void> {
  const { provider } = trial;
  const before = (await trial.owned()).length;
  await assertRefused(provider, start({ signal: AbortSignal.abort() }), 'CANCELLED');
  assert.equal((await trial.owned()).length, before, 'nothing may be begun');

  for (const [moment, reached] of Object.entries(moments)) {
    const stop = new AbortController();
    const operation = start({ signal: stop.signal });
    await reached(operation);
    stop.abort();
    const goesOn = await operation.then(
      () => true, // it was done before it was cancelled
      (error: unknown) => resumed(trial, error),
    );
    if (goesOn) assert.equal((await trial.owned()).length, before + 1, `cancelled ${moment}`);
    else await assertBack(trial, before, moment);
    await removeNewest(trial, before);
  }
}

/** Waits for what goes on after its call was cancelled; tells whether it does. */
async function resumed(trial: Trial, error: unknown): Promise<boolean> {
  const { code, token } = checkError(trial.provider, error, ['CANCELLED', 'PENDING']);
  if (code === 'CANCELLED') return false;
  assert.ok(token !== undefined && token !== '', 'PENDING must come with a token');
  await trial.provider.resume(token);
  return true;
}

async function assertBack(trial: Trial, before: number, moment: string): Promise<void> {
  const end = Date.now() + trial.timeouts.settle;
  let left = await trial.owned();
  while (left.length > before && Date.now() < end) left = await trial.owned();
  const names = left.map(({ kind, name }) => `${kind} ${name}`);
  assert.equal(left.length, before, `cancelled ${moment}, but there are ${names.join(', ')}`);
}

async function removeNewest(trial: Trial, keep: number): Promise<void> {
  const newest = (await trial.owned()).toSorted((a, b) => a.createdAt.localeCompare(b.createdAt));
  for (const { kind, id } of newest.slice(keep)) await trial.provider.owned.delete(kind, id);
}

export const cancellation: ConformanceTopic = {
  name: 'cancellation',
  cases: [
    {
      title: 'of the making of an image leaves nothing behind',
      run: (trial) =>
        checkCancellation(trial, (options) =>
          trial.provider.images.create(trial.request(), options),
        ),
    },
    {
      title: 'of the making of a disk leaves nothing behind',
      needs: ['disks'],
      run: (trial) => {
        const { labels, diskSizeBytes: sizeBytes } = trial;
        return checkCancellation(trial, (options) =>
          trial.capability('disks').create({ name: trial.name(), labels, sizeBytes }, options),
        );
      },
    },
    {
      title: 'of the making of a snapshot leaves nothing behind',
      needs: ['disks', 'snapshots'],
      async run(trial) {
        const { id: disk } = await trial.disk();
        const { labels } = trial;
        await checkCancellation(trial, (options) =>
          trial.capability('snapshots').create({ name: trial.name(), labels, disk }, options),
        );
      },
    },
    {
      title: 'of a launch leaves nothing behind',
      needs: ['instances'],
      machines: true,
      async run(trial) {
        const image = await trial.bootImage();
        const { provider } = trial;
        const launch: Start = (options) =>
          trial
            .capability('instances')
            .launch({ ...trial.template(image.ref), name: trial.name() }, options);
        await assertRefused(provider, launch({ signal: AbortSignal.abort() }), 'CANCELLED');
        const stop = new AbortController();
        const operation = launch({ signal: stop.signal });
        await operation.token().catch(() => undefined);
        stop.abort();
        try {
          await operation;
        } catch (error) {
          if (!(await resumed(trial, error))) {
            const kinds = (await trial.owned()).map(({ kind }) => kind);
            assert.deepEqual(kinds, ['image'], 'neither a machine nor a disk may be left');
          }
        }
      },
    },
    {
      title: 'of a short call is CANCELLED, also for its signal’s own reason',
      async run({ provider }) {
        const reason = new Error('enough');
        const signal = AbortSignal.abort(reason);
        const error = await assertRefused(
          provider,
          provider.images.get('x', { signal }),
          'CANCELLED',
        );
        assert.ok(ImgkitError.is(error));
      },
    },
  ],
};
