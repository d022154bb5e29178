import { ImgkitError, type Image, type Imgkit } from '@imgkit/core';
import type { BakedImage, BakeOptions, BakeResult, BakeRun, BakeSummary } from '../bake.ts';
import { connectOverSsh } from '../machine.ts';
import type { Recipe } from '../recipe.ts';
import { toBakeEvent, type BakeEvent } from './bake-event.ts';
import { bakeWorkflow, type BakeInput } from './bake-workflow.ts';
import { EventLog } from './event-log.ts';
import { findRun, removeOldKeys } from './find-run.ts';
import { planBake, type BakePlan } from './plan.ts';
import { workflowFor } from './workflows.ts';

type Baked = Pick<BakedImage, 'image' | 'predecessors' | 'reused'>;

/** One call of `bake`: a run at each provider, side by side. */
export class Baking implements BakeRun {
  readonly ids: Record<string, string> = {};
  readonly #kit: Imgkit;
  readonly #recipe: Recipe;
  readonly #options: BakeOptions;
  readonly #events = new EventLog();
  readonly #abort = new AbortController();
  readonly #results: Promise<readonly BakeResult[]>;
  readonly #summary: Promise<BakeSummary>;
  #reason = 'it was asked for';

  constructor(kit: Imgkit, recipe: Recipe, options: BakeOptions) {
    this.#kit = kit;
    this.#recipe = recipe;
    this.#options = options;
    this.#results = this.#work();
    this.#summary = this.#results.then(summarize);
    // Who only iterates doesn't care for the result.
    this.#summary.catch(() => undefined);
  }

  // oxlint-disable-next-line unicorn/no-thenable -- it is a PromiseLike
  then<A = BakeSummary, B = never>(
    onFulfilled?: ((value: BakeSummary) => A | PromiseLike<A>) | null,
    onRejected?: ((reason: unknown) => B | PromiseLike<B>) | null,
  ): Promise<A | B> {
    return this.#summary.then(onFulfilled, onRejected);
  }

  [Symbol.asyncIterator](): AsyncIterator<BakeEvent> {
    return this.#events.read();
  }

  results(): Promise<readonly BakeResult[]> {
    return this.#results;
  }

  async cancel(reason?: string): Promise<void> {
    this.#stop(reason);
    await this.#results;
  }

  #stop(reason = this.#reason): void {
    if (this.#abort.signal.aborted) return;
    this.#reason = reason;
    this.#abort.abort(this.#cancelled());
  }

  async #work(): Promise<readonly BakeResult[]> {
    const { signal, on = Object.keys(this.#recipe.from) } = this.#options;
    const stop = () => this.#stop('its signal was aborted');
    if (signal?.aborted === true) stop();
    signal?.addEventListener('abort', stop, { once: true });
    try {
      // The constructor ends first.
      await Promise.resolve();
      const begun = performance.now();
      return await Promise.all([...new Set(on)].map((name) => this.#bakeAt(name, begun)));
    } finally {
      signal?.removeEventListener('abort', stop);
      this.#events.close();
    }
  }

  async #bakeAt(provider: string, begun: number): Promise<BakeResult> {
    try {
      const { signal } = this.#abort;
      signal.throwIfAborted();
      const plan = await planBake(this.#kit, this.#recipe, provider, this.#options.version, {
        signal,
      });
      const baked = await this.#reuseOrBake(plan);
      const runId = this.ids[provider] ?? plan.runId;
      const durationMs = Math.round(performance.now() - begun);
      return { state: 'SUCCEEDED', provider, runId, ...baked, durationMs };
    } catch (error) {
      if (this.#options.failFast === true) this.#stop(`the provider "${provider}" failed`);
      return {
        state: 'FAILED',
        provider,
        runId: this.ids[provider],
        error: this.#asImgkitError(error, provider),
      };
    }
  }

  async #reuseOrBake(plan: BakePlan): Promise<Baked> {
    const force = this.#options.force === true;
    for (const message of plan.warnings) this.#tell(plan, 'warning', message);
    await removeOldKeys(this.#kit);
    const found = await findRun(this.#kit, plan, force);
    if ('image' in found) return this.#reuse(plan, found.image);
    return this.#run(plan, found);
  }

  #reuse(plan: BakePlan, image: Image): Baked {
    this.#tell(
      plan,
      'reused',
      `"${image.name}" exists already, and nothing that goes into it has changed`,
    );
    return { image, predecessors: [], reused: true };
  }

  async #run(
    plan: BakePlan,
    {
      id,
      generation,
      restart,
      nextEvent,
    }: {
      readonly id: string;
      readonly generation: number;
      readonly restart: boolean;
      readonly nextEvent: number;
    },
  ): Promise<Baked> {
    const { engine, images } = this.#kit;
    const { signal } = this.#abort;
    const { name } = plan.provider;
    const { keepOnFailure, connect = connectOverSsh } = this.#options;
    const workflow = workflowFor(
      { kit: this.#kit, recipe: this.#recipe, connect },
      plan.recipe,
      (current) => bakeWorkflow(this.#recipe.name, plan.recipe, current),
    );
    const input: BakeInput = {
      provider: name,
      recipe: plan.recipe,
      version: plan.version ?? null,
      generation,
    };
    signal.throwIfAborted();
    const handle = await engine.start(workflow, input, { id, restart, keepOnFailure });
    this.ids[name] = id;
    // When the events end too soon, the result says why.
    const shown = this.#show(id, name, nextEvent).catch(() => undefined);
    let cancelling: Promise<unknown> = Promise.resolve();
    const cancel = () => {
      cancelling = engine.cancel(id, { reason: this.#reason }).catch(() => undefined);
    };
    if (isAborted(signal)) cancel();
    signal.addEventListener('abort', cancel, { once: true });
    try {
      const { image, predecessors } = await handle.result();
      return { image: await images.get(image), predecessors, reused: false };
    } finally {
      signal.removeEventListener('abort', cancel);
      await cancelling;
      await shown;
    }
  }

  async #show(id: string, provider: string, from: number): Promise<void> {
    for await (const event of this.#kit.engine.events(id, { from, follow: true })) {
      const shown = toBakeEvent(event, provider);
      if (shown !== undefined) this.#events.push(shown);
    }
  }

  #tell({ provider, runId }: BakePlan, type: 'warning' | 'reused', message: string): void {
    this.#events.push({ type, provider: provider.name, runId, at: this.#kit.clock.now(), message });
  }

  #cancelled(provider?: string, cause?: unknown): ImgkitError {
    return new ImgkitError(
      'CANCELLED',
      `the bake of "${this.#recipe.name}" was cancelled: ${this.#reason}`,
      { provider, operation: 'bake', cause },
    );
  }

  #asImgkitError(error: unknown, provider: string): ImgkitError {
    if (ImgkitError.is(error, 'CANCELLED')) return error;
    if (isAborted(this.#abort.signal) && !this.#failed(provider))
      return this.#cancelled(provider, error);
    if (ImgkitError.is(error)) return error;
    const message = error instanceof Error ? error.message : String(error);
    return new ImgkitError('OPERATION_FAILED', `baking "${this.#recipe.name}" failed: ${message}`, {
      provider,
      operation: 'bake',
      cause: error,
    });
  }

  /** Whether this provider's own failure is what stopped the bake. */
  #failed(provider: string): boolean {
    return this.#reason === `the provider "${provider}" failed`;
  }
}

function summarize(results: readonly BakeResult[]): BakeSummary {
  const images = results.filter((result) => result.state === 'SUCCEEDED');
  const failures = results.filter((result) => result.state === 'FAILED');
  const [first] = failures;
  if (first === undefined) return { images, reused: images.every(({ reused }) => reused) };
  if (results.length === 1 || failures.every(({ error }) => error.code === 'CANCELLED'))
    throw first.error;
  const reasons = failures.map(({ provider, error }) => `${provider}: ${error.message}`).join('; ');
  throw new ImgkitError(
    'OPERATION_FAILED',
    `${failures.length} of ${results.length} providers failed: ${reasons}`,
    {
      operation: 'bake',
      data: { images, failures },
      cause: first.error,
    },
  );
}

function isAborted(signal: AbortSignal): boolean {
  return signal.aborted;
}
