import type { Logger } from '../logger.ts';
import { throwIfAborted } from '../plugin/operation.ts';
import type { Providers } from '../plugin/providers.ts';
import type { CallOptions } from '../spec/call-options.ts';
import { ImgkitError } from '../spec/errors.ts';
import type { Image } from '../spec/image.ts';
import type { Provider } from '../spec/provider.ts';
import { formatRef, type ImageRef } from '../spec/ref.ts';
import { selectImages, type ImageSelection } from './image-selection.ts';
import { findImage, sameImage } from './image-target.ts';
import type { UsageService } from './usage.ts';

/** The label that keeps an image from being deleted by a plan, whatever its value: say who needs it, and why. */
export const holdLabel = 'imgkit-hold';

/** Which images a plan is about. */
export type DeletionSelection = ImageSelection;

/** What shall become of one image. Plain data. */
export interface DeletionItem {
  readonly ref: ImageRef;
  readonly name: string;
  /** When the image was created, as an ISO 8601 instant: another image that got its id since is not deleted. */
  readonly createdAt: string;
  readonly decision: 'delete' | 'keep';
  /** Why, for people; never empty. */
  readonly reasons: readonly string[];
}

/** What is to be deleted, and what isn't, each with its reasons. Plain data: it can be shown, stored, and sent. */
export interface DeletionPlan {
  readonly items: readonly DeletionItem[];
}

/** What became of one item of a plan. */
export interface DeletionResult {
  readonly ref: ImageRef;
  readonly name: string;
  /** `kept`: as planned, or because something came up since; the reasons say which. */
  readonly outcome: 'deleted' | 'kept' | 'failed';
  readonly reasons: readonly string[];
  /** With `failed`: why. */
  readonly error?: ImgkitError | undefined;
}

/** Deletes images that surely nobody needs. */
export interface DeletionService {
  /**
   * Decides what of a selection can be deleted, and changes nothing. An image is kept when something uses it (also a
   * family whose head it is, a channel, a grant), when it carries a hold ({@link holdLabel}), when it isn't settled or
   * isn't this project's, and when it can't be told who uses it.
   *
   * @throws {@link ImgkitError} with `PROVIDER_NOT_FOUND`, and whatever keeps the selection from being listed.
   *
   * @example
   * ```ts
   * import { createImgkit } from '@imgkit/core';
   * import { qemu } from '@imgkit/qemu';
   *
   * await using kit = await createImgkit({ providers: [qemu()] });
   * const plan = await kit.deletion.plan({ provider: 'qemu', states: ['OBSOLETE', 'DELETED'] });
   * for (const { name, decision, reasons } of plan.items) console.log(name, decision, reasons);
   * const results = await kit.deletion.execute(plan);
   * console.log(results.filter(({ outcome }) => outcome === 'deleted').length);
   * ```
   */
  plan(selection: DeletionSelection, options?: CallOptions): Promise<DeletionPlan>;

  /**
   * Carries a plan out: deletes what it says, and nothing else, after each was looked at again right before. One failure
   * doesn't stop the others.
   *
   * @throws {@link ImgkitError} with `CANCELLED` when the signal aborts; its `data.results` has what was done until then.
   */
  execute(plan: DeletionPlan, options?: CallOptions): Promise<readonly DeletionResult[]>;
}

type Decision = Pick<DeletionItem, 'decision' | 'reasons'>;

/** Makes the deletion service. */
export function createDeletionService(
  providers: Providers,
  usage: UsageService,
  logger: Logger,
): DeletionService {
  const decide = async (
    provider: Provider,
    image: Image,
    options: CallOptions | undefined,
  ): Promise<Decision> => {
    const reasons = findHindrances(provider, image);
    if (reasons.length > 0) return { decision: 'keep', reasons };
    const report = await usage.of(image.ref, options);
    const used = report.users.map(({ reason }) => reason);
    const unknown = report.unanswered.map((what) => `it can't be told who uses it: ${what}`);
    if (!report.complete && unknown.length === 0) unknown.push("it can't be told who uses it");
    return used.length + unknown.length > 0
      ? { decision: 'keep', reasons: [...used, ...unknown] }
      : { decision: 'delete', reasons: ['nothing uses it'] };
  };

  const carryOut = async (
    item: DeletionItem,
    options: CallOptions | undefined,
  ): Promise<DeletionResult> => {
    const { ref, name } = item;
    if (item.decision !== 'delete') return { ref, name, outcome: 'kept', reasons: item.reasons };
    try {
      const found = await findImage(providers, ref, options);
      if (found === undefined) return { ref, name, outcome: 'deleted', reasons: ['it is gone'] };
      const { provider, image } = found;
      if (Date.parse(image.createdAt) !== Date.parse(item.createdAt)) {
        const reasons = ['it is another image than the planned one, made since under the same id'];
        return { ref, name, outcome: 'kept', reasons };
      }
      const { decision, reasons } = await decide(provider, image, options);
      if (decision !== 'delete') return { ref, name, outcome: 'kept', reasons };
      await provider.images.delete(ref.id, options);
      logger.info('image deleted', { image: formatRef(ref), reasons });
      return { ref, name, outcome: 'deleted', reasons };
    } catch (error) {
      if (ImgkitError.is(error, 'CANCELLED') || !ImgkitError.is(error)) throw error;
      if (error.code === 'NOT_FOUND')
        return { ref, name, outcome: 'deleted', reasons: ['it is gone'] };
      return { ref, name, outcome: 'failed', reasons: [error.message], error };
    }
  };

  return {
    async plan(selection, options) {
      const items: DeletionItem[] = [];
      for await (const image of selectImages(providers, selection, options)) {
        if (items.some(({ ref }) => sameImage(providers, ref, image.ref))) continue;
        const { ref, name, createdAt } = image;
        const provider = providers.get(ref.provider);
        items.push({ ref, name, createdAt, ...(await decide(provider, image, options)) });
      }
      return { items };
    },

    async execute(plan, options) {
      const results: DeletionResult[] = [];
      for (const item of plan.items) {
        try {
          throwIfAborted(options?.signal);
          results.push(await carryOut(item, options));
        } catch (error) {
          if (!ImgkitError.is(error, 'CANCELLED')) throw error;
          throw new ImgkitError('CANCELLED', 'the deletion was cancelled', {
            hint: 'What was done until then is in data.results; executing the plan again goes on.',
            data: { results },
            cause: error,
          });
        }
      }
      return results;
    },
  };
}

/** What forbids to delete an image, whoever uses it. */
function findHindrances(provider: Provider, image: Image): readonly string[] {
  const reasons: string[] = [];
  const hold = image.labels[holdLabel];
  if (hold !== undefined) reasons.push(`it is held: ${holdLabel}=${hold}`);
  if (image.project !== provider.project) reasons.push(`it belongs to project "${image.project}"`);
  if (image.status === 'PENDING' || image.status === 'DELETING') {
    reasons.push(`it is ${image.status}`);
  }
  return reasons;
}
