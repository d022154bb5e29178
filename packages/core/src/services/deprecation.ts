import type { Clock, Engine } from '../engine/index.ts';
import type { Logger } from '../logger.ts';
import { throwIfAborted } from '../plugin/operation.ts';
import type { Providers } from '../plugin/providers.ts';
import type { CallOptions } from '../spec/call-options.ts';
import { ImgkitError } from '../spec/errors.ts';
import type { Deprecation, DeprecationDates, DeprecationState, Image } from '../spec/image.ts';
import type { Operation } from '../spec/operation.ts';
import type { Provider } from '../spec/provider.ts';
import { formatRef, type ImageRef } from '../spec/ref.ts';
import { replacementsLock } from './deprecation-change.ts';
import { checkDeprecation, dueState } from './deprecation-dates.ts';
import { planDeprecation, type DeprecationPlan } from './deprecation-plan.ts';
import { executePlan, registerDeprecationRun, type DeprecationReport } from './deprecation-run.ts';
import type { ImageSelection } from './image-selection.ts';
import { readImage, toRef, type ImageTarget } from './image-target.ts';
import { checkReplacement, followReplacements } from './replacement-chain.ts';
import type { StateStore } from './state-store.ts';

/** A planned change whose date has come. */
export interface DueChange {
  readonly image: ImageRef;
  readonly name: string;
  readonly from: DeprecationState;
  readonly to: DeprecationState;
  /** The date that has come, as an ISO 8601 instant. */
  readonly date: string;
  /** `PLANNED` in a dry run. */
  readonly outcome: 'PLANNED' | 'DONE' | 'FAILED';
  /** With `FAILED`: why. */
  readonly error?: ImgkitError | undefined;
}

/** What a tick found, and did. */
export interface TickReport {
  readonly changes: readonly DueChange[];
  /** The providers that could not be asked, and why; the others were. */
  readonly unanswered: readonly { readonly provider: string; readonly error: ImgkitError }[];
}

/** How a tick is made. */
export interface TickOptions extends CallOptions {
  /** Changes nothing, and tells what would be changed. False by default. */
  readonly dryRun?: boolean | undefined;
}

/** Withdraws images from use, step by step, and takes that back. */
export interface DeprecationService {
  /**
   * Replaces the whole deprecation of an image: what is left out is no longer set.
   *
   * @throws {@link ImgkitError} with `INVALID_ARGUMENT` for dates that are no instants or out of order, or a replacement
   *   that leads back to the image; `NOT_FOUND` for the image or the replacement; `UNSUPPORTED`.
   *
   * @example
   * ```ts
   * import { createImgkit } from '@imgkit/core';
   * import { qemu } from '@imgkit/qemu';
   *
   * await using kit = await createImgkit({ providers: [qemu()] });
   * const head = await kit.families.head('qemu', 'web');
   * await kit.deprecation.set('qemu:projects/default/images/web-1', {
   *   state: 'DEPRECATED',
   *   replacement: head.ref,
   *   dates: { obsolete: '2027-06-30T00:00:00Z' },
   * });
   * ```
   */
  set(image: ImageTarget, deprecation: Deprecation, options?: CallOptions): Promise<Image>;

  /** Makes an image ACTIVE again, without replacement and dates. */
  reactivate(image: ImageTarget, options?: CallOptions): Promise<Image>;

  /**
   * Sets the planned dates of an image, all three at once; its state and replacement stay. Nothing changes by itself
   * at a date: {@link DeprecationService.tick} carries it out.
   *
   * @throws {@link ImgkitError} as {@link DeprecationService.set} does.
   */
  schedule(image: ImageTarget, dates: DeprecationDates, options?: CallOptions): Promise<Image>;

  /**
   * Gives what stands for an image in the end, through all replacements of replacements; nothing when it has none.
   *
   * @throws {@link ImgkitError} with `FAILED_PRECONDITION` if the chain is a circle.
   */
  replacement(image: ImageTarget, options?: CallOptions): Promise<Image | undefined>;

  /**
   * Carries out the planned changes whose dates have come, at every provider whose cloud doesn't do so itself. Made
   * regularly, for example daily; made twice, it changes nothing more. One failure doesn't stop the others.
   */
  tick(options?: TickOptions): Promise<TickReport>;

  /**
   * Decides which images of a selection get a deprecation, and changes nothing. Kept are those that have it already,
   * that are another project's, and that would replace themselves.
   *
   * @throws {@link ImgkitError} with `INVALID_ARGUMENT` for dates that are no instants or out of order, `NOT_FOUND` for the
   *   replacement, `UNSUPPORTED`, `PROVIDER_NOT_FOUND`, and whatever keeps the selection from being listed.
   */
  plan(
    selection: ImageSelection,
    deprecation: Deprecation,
    options?: CallOptions,
  ): Promise<DeprecationPlan>;

  /**
   * Carries a plan out, several images at a time: changes what it says and nothing else, after each was looked at again
   * right before. It is a run of the engine, whose id is the operation's token: executing the same plan again, or
   * `kit.runs.resume()`, goes on after a crash; what was done already is not done again. One image's failure doesn't stop
   * the others; trouble of the cloud is waited for. Aborting stops it: what was done until then stays.
   *
   * @throws {@link ImgkitError} with `CANCELLED`; with what keeps the cloud from working (`UNAVAILABLE`,
   *   `RATE_LIMITED`) when it doesn't end for minutes: execute the plan again to go on.
   *
   * @example
   * ```ts
   * import { createImgkit } from '@imgkit/core';
   * import { qemu } from '@imgkit/qemu';
   *
   * await using kit = await createImgkit({ providers: [qemu()] });
   * const head = await kit.families.head('qemu', 'web');
   * const selection = { provider: 'qemu', family: 'web', states: ['ACTIVE'] } as const;
   * const plan = await kit.deprecation.plan(selection, {
   *   state: 'DEPRECATED',
   *   replacement: head.ref,
   * });
   * for (const { name, decision, reasons } of plan.items) console.log(name, decision, reasons);
   * const operation = kit.deprecation.execute(plan);
   * for await (const { message, fraction } of operation) console.log(message, fraction);
   * const { changed, left } = await operation;
   * console.log(changed, left);
   * ```
   */
  execute(plan: DeprecationPlan, options?: CallOptions): Operation<DeprecationReport>;
}

/** What the deprecation service works with. */
export interface DeprecationParts {
  readonly providers: Providers;
  readonly store: StateStore;
  readonly engine: Engine;
  readonly clock: Clock;
  readonly logger: Logger;
}

/** Makes the deprecation service. */
export function createDeprecationService(parts: DeprecationParts): DeprecationService {
  const { providers, store, clock, logger } = parts;
  const workflow = registerDeprecationRun(parts);

  const set: DeprecationService['set'] = async (target, deprecation, options) => {
    const ref = toRef(target);
    const provider = providers.require(ref.provider, 'deprecation');
    checkDeprecation(deprecation);
    const { replacement } = deprecation;
    if (replacement === undefined) return provider.deprecation.set(ref.id, deprecation, options);
    return store.lock(
      replacementsLock,
      async () => {
        await checkReplacement(providers, ref, replacement, options);
        return provider.deprecation.set(ref.id, deprecation, options);
      },
      options,
    );
  };

  return {
    set,
    reactivate: (target, options) => set(target, { state: 'ACTIVE' }, options),

    async schedule(target, dates, options) {
      const { image } = await readImage(providers, target, options);
      return set(image.ref, { ...image.deprecation, dates }, options);
    },

    async replacement(target, options) {
      const { image } = await readImage(providers, target, options);
      let last: Image | undefined;
      for await (const next of followReplacements(providers, image, options)) last = next;
      return last;
    },

    plan: (selection, deprecation, options) =>
      planDeprecation(providers, selection, deprecation, options),

    execute: (plan, options) => executePlan(parts, workflow, plan, options),

    async tick({ dryRun = false, ...options } = {}) {
      const changes: DueChange[] = [];
      const unanswered: { provider: string; error: ImgkitError }[] = [];
      for (const provider of providers) {
        const control = provider.deprecation;
        if (control === undefined || control.traits.carriesOutDates) continue;
        try {
          // Listed to the end first: changing what is being listed may shift its pages.
          for (const image of await listDue(provider, clock.now(), options)) {
            const change = await carryOut(image, provider, clock.now(), dryRun, options);
            if (change !== undefined) changes.push(change);
          }
        } catch (error) {
          throwIfAborted(options.signal);
          if (!ImgkitError.is(error)) throw error;
          unanswered.push({ provider: provider.name, error });
        }
      }
      for (const { outcome, image, from, to } of changes) {
        logger.info(`deprecation ${outcome.toLowerCase()}`, { image: formatRef(image), from, to });
      }
      return { changes, unanswered };
    },
  };
}

async function listDue(
  provider: Provider,
  now: number,
  options: CallOptions,
): Promise<readonly Image[]> {
  const due: Image[] = [];
  const filter = { states: ['ACTIVE', 'DEPRECATED', 'OBSOLETE'] as const };
  for await (const image of provider.images.list(filter, options)) {
    if (dueState(image.deprecation, now) !== undefined) due.push(image);
  }
  return due;
}

async function carryOut(
  listed: Image,
  provider: Provider,
  now: number,
  dryRun: boolean,
  options: CallOptions,
): Promise<DueChange | undefined> {
  const { ref, name } = listed;
  const due = dueState(listed.deprecation, now);
  if (due === undefined) return undefined;
  const change = {
    image: ref,
    name,
    from: listed.deprecation.state,
    to: due.state,
    date: due.date,
  };
  if (dryRun) return { ...change, outcome: 'PLANNED' };
  try {
    // It may have been changed, or another tick may have come first, since it was listed.
    const { deprecation } = await provider.images.get(ref.id, options);
    const still = dueState(deprecation, now);
    if (still === undefined) return undefined;
    await provider.deprecation?.set(ref.id, { ...deprecation, state: still.state }, options);
    return {
      ...change,
      from: deprecation.state,
      to: still.state,
      date: still.date,
      outcome: 'DONE',
    };
  } catch (error) {
    throwIfAborted(options.signal);
    if (ImgkitError.is(error, 'NOT_FOUND')) return undefined; // deleted since: nothing to carry out
    if (!ImgkitError.is(error)) throw error;
    return { ...change, outcome: 'FAILED', error };
  }
}
