import type { Engine, StepContext, Workflow, WorkflowContext } from '../engine/index.ts';
import { defineWorkflow } from '../engine/index.ts';
import { startOperation, throwIfAborted } from '../plugin/operation.ts';
import type { Providers } from '../plugin/providers.ts';
import type { CallOptions } from '../spec/call-options.ts';
import { ImgkitError } from '../spec/errors.ts';
import type { Deprecation } from '../spec/image.ts';
import type { Operation } from '../spec/operation.ts';
import { formatRef, type ImageRef } from '../spec/ref.ts';
import { replacementsLock } from './deprecation-change.ts';
import {
  readChain,
  sameAs,
  type DeprecationItem,
  type DeprecationPlan,
} from './deprecation-plan.ts';
import { findImage, sameImage } from './image-target.ts';
import type { Collection, StateStore } from './state-store.ts';

/** An image that has not got what was planned. */
export interface LeftImage {
  /** The text form of its ref. */
  readonly image: string;
  /** `left`: something came up since it was planned; `failed`: the provider refused. */
  readonly outcome: 'left' | 'failed';
  readonly reason: string;
}

/** What became of a plan. */
export interface DeprecationReport {
  /** How many of the images to change have what was planned. */
  readonly changed: number;
  /** The others of them, and why. */
  readonly left: readonly LeftImage[];
}

/** What plans are carried out with. */
export interface DeprecationRunParts {
  readonly providers: Providers;
  readonly store: StateStore;
  readonly engine: Engine;
}

interface RunInput {
  readonly plan: string;
  readonly to: Deprecation;
  /** How many images are to be changed. */
  readonly count: number;
}

interface BatchResult {
  readonly changed: number;
  readonly left: readonly LeftImage[];
}

/** How many images are changed at a time. What the cloud allows in a minute is its provider's to keep. */
const concurrency = 16;
/** As many go into one step, and one record: a crash repeats the look at no more than these. */
const batchSize = 100;
/** So that what a batch leaves fits into the journal. */
const longestReason = 300;
/** Troubles of the cloud rather than of one image: the step waits, and goes on. */
const passing = new Set(['RATE_LIMITED', 'UNAVAILABLE', 'TIMEOUT', 'PENDING']);
/** What is to be changed, by plan and batch; there as long as the run goes on. */
const batches: Collection<readonly DeprecationItem[]> = { name: 'deprecation-batches' };

/** What a kit set up on an engine; a later kit on the same engine takes its place. */
const runners = new WeakMap<Engine, Runner>();

interface Runner {
  parts: DeprecationRunParts;
  readonly workflow: PlanWorkflow;
}

type PlanWorkflow = Workflow<RunInput, { readonly changed: number }>;

/** Makes the workflow known to the engine, so that it can be resumed, and gives it. */
export function registerDeprecationRun(parts: DeprecationRunParts): PlanWorkflow {
  const known = runners.get(parts.engine);
  if (known !== undefined) {
    known.parts = parts;
    return known.workflow;
  }
  const runner: Runner = {
    parts,
    workflow: defineWorkflow({
      name: 'imgkit-deprecation-plan',
      protocol: 1,
      run: (ctx, input: RunInput) => runPlan(runner.parts, ctx, input),
    }),
  };
  runners.set(parts.engine, runner);
  parts.engine.register(runner.workflow);
  return runner.workflow;
}

/** Carries a plan out as a run of the engine, or goes on with it. */
export function executePlan(
  parts: DeprecationRunParts,
  workflow: PlanWorkflow,
  { id: plan, to, items }: DeprecationPlan,
  options: CallOptions | undefined,
): Operation<DeprecationReport> {
  const { engine, store } = parts;
  const id = `deprecation/${plan}`;
  return startOperation(async ({ signal, accepted, progress }) => {
    const changes = items.filter(({ decision }) => decision === 'change');
    for (let from = 0; from < changes.length; from += batchSize) {
      await store.write(batches, batchKey(plan, from), changes.slice(from, from + batchSize), {
        signal,
      });
    }
    const input = { plan, to, count: changes.length };
    const handle = await engine.start(workflow, input, { id, restart: true, signal });
    accepted(id);
    const stop = (): void => void engine.cancel(id, { reason: 'its caller gave up' });
    signal.addEventListener('abort', stop, { once: true });
    try {
      if (signal.aborted) stop();
      // When the events end too soon, the result says why.
      const watching = watch(engine, id, progress).catch(() => undefined);
      await handle.result();
      await watching;
      await forgetPlan(store, plan, changes.length); // of a run that was over before this call
    } finally {
      signal.removeEventListener('abort', stop);
    }
    return report(engine, id);
  }, options);
}

async function watch(
  engine: Engine,
  id: string,
  progress: (message: string, fraction?: number) => void,
): Promise<void> {
  for await (const event of engine.events(id, { follow: true })) {
    if (event.type === 'progress') progress(event.message, event.fraction);
  }
}

async function report(engine: Engine, id: string): Promise<DeprecationReport> {
  const { steps } = await engine.show(id);
  const results = steps.flatMap(({ result }) => (isBatchResult(result) ? [result] : []));
  return {
    changed: results.reduce((sum, { changed }) => sum + changed, 0),
    left: results.flatMap(({ left }) => left),
  };
}

function isBatchResult(value: unknown): value is BatchResult {
  return typeof value === 'object' && value !== null && 'changed' in value && 'left' in value;
}

async function runPlan(
  parts: DeprecationRunParts,
  ctx: WorkflowContext,
  { plan, to, count }: RunInput,
): Promise<{ readonly changed: number }> {
  let changed = 0;
  for (let from = 0; from < count; from += batchSize) {
    const until = Math.min(from + batchSize, count);
    const result = await ctx.step(`images ${from + 1} to ${until}`, (step) =>
      changeBatch(parts, { plan, to, from }, step),
    );
    changed += result.changed;
    ctx.progress({
      message: `${until} of ${count} images are dealt with`,
      fraction: until / count,
    });
  }
  await ctx.step('forget the plan', () => forgetPlan(parts.store, plan, count));
  return { changed };
}

async function forgetPlan(store: StateStore, plan: string, count: number): Promise<void> {
  for (let from = 0; from < count; from += batchSize) {
    await store.remove(batches, batchKey(plan, from));
  }
}

async function changeBatch(
  { providers, store }: DeprecationRunParts,
  { plan, to, from }: Pick<RunInput, 'plan' | 'to'> & { readonly from: number },
  { signal }: StepContext,
): Promise<BatchResult> {
  const items = await store.read(batches, batchKey(plan, from), { signal });
  if (items === undefined) {
    throw new ImgkitError('FAILED_PRECONDITION', `what plan ${plan} was to change is lost`, {
      hint: 'Make a new plan: it leaves out what is as planned already.',
    });
  }
  const left: LeftImage[] = [];
  const work = async (): Promise<void> => {
    const chain = await readChain(providers, to.replacement, { signal });
    await eachOf(items, async (item) => {
      const image = formatRef(item.ref);
      const hindrance = await changeImage(providers, item, to, chain, { signal });
      if (hindrance === undefined) return;
      left.push({ image, ...hindrance, reason: hindrance.reason.slice(0, longestReason) });
    });
  };
  if (to.replacement === undefined) await work();
  else await store.lock(replacementsLock, work, { signal });
  return { changed: items.length - left.length, left };
}

/** Changes one image, unless it is as planned already. Gives why it was left, if it was. */
async function changeImage(
  providers: Providers,
  { ref, createdAt, from }: DeprecationItem,
  to: Deprecation,
  chain: readonly ImageRef[],
  options: CallOptions,
): Promise<Omit<LeftImage, 'image'> | undefined> {
  try {
    const found = await findImage(providers, ref, options);
    if (found === undefined) return { outcome: 'left', reason: 'it is gone' };
    const { image } = found;
    if (Date.parse(image.createdAt) !== Date.parse(createdAt)) {
      return { outcome: 'left', reason: 'it is another image than the planned one' };
    }
    if (sameAs(providers, image.deprecation, to)) return undefined;
    if (!sameAs(providers, image.deprecation, from)) {
      return { outcome: 'left', reason: 'somebody changed its deprecation since' };
    }
    if (chain.some((other) => sameImage(providers, other, ref))) {
      return { outcome: 'left', reason: 'it would replace itself' };
    }
    await providers.require(ref.provider, 'deprecation').deprecation.set(ref.id, to, options);
    return undefined;
  } catch (error) {
    throwIfAborted(options.signal);
    if (!ImgkitError.is(error) || passing.has(error.code)) throw error;
    return { outcome: 'failed', reason: error.message };
  }
}

/** Works on several at a time. After a failure no further one is begun, and those under way are waited for. */
async function eachOf<T>(items: readonly T[], work: (item: T) => Promise<void>): Promise<void> {
  const rest = items.values();
  const failures: Error[] = [];
  const worker = async (): Promise<void> => {
    for (const item of rest) {
      if (failures.length > 0) return;
      await work(item).catch((error: unknown) => {
        failures.push(error instanceof Error ? error : new Error(String(error)));
      });
    }
  };
  await Promise.all(Array.from({ length: Math.min(concurrency, items.length) }, worker));
  const [failure] = failures;
  if (failure !== undefined) throw failure;
}

function batchKey(plan: string, from: number): string {
  return `${plan}/${String(from).padStart(9, '0')}`;
}
