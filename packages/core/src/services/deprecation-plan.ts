import type { Providers } from '../plugin/providers.ts';
import type { CallOptions } from '../spec/call-options.ts';
import { ImgkitError } from '../spec/errors.ts';
import type { Deprecation, Image } from '../spec/image.ts';
import type { Provider } from '../spec/provider.ts';
import { formatRef, type ImageRef } from '../spec/ref.ts';
import { checkDeprecation, sameDeprecation } from './deprecation-dates.ts';
import { selectImages, type ImageSelection } from './image-selection.ts';
import { readImage, sameImage } from './image-target.ts';
import { followReplacements } from './replacement-chain.ts';

/** What shall become of one image. Plain data. */
export interface DeprecationItem {
  readonly ref: ImageRef;
  readonly name: string;
  /** When the image was created, as an ISO 8601 instant: another image that got its id since is not changed. */
  readonly createdAt: string;
  readonly decision: 'change' | 'keep';
  /** Why, for people; never empty. */
  readonly reasons: readonly string[];
  /** What it has now. An image that has something else when its turn comes is left as it is. */
  readonly from: Deprecation;
}

/** Which images get a deprecation, and which don't, each with its reasons. Plain data: it can be shown, stored, and sent. */
export interface DeprecationPlan {
  /** Tells plans apart; executing one again goes on with it. */
  readonly id: string;
  /** What the images get. */
  readonly to: Deprecation;
  readonly items: readonly DeprecationItem[];
}

/** Decides what is to be changed, and changes nothing. */
export async function planDeprecation(
  providers: Providers,
  selection: ImageSelection,
  to: Deprecation,
  options: CallOptions | undefined,
): Promise<DeprecationPlan> {
  checkDeprecation(to);
  const chain = await readChain(providers, to.replacement, options);
  const items: DeprecationItem[] = [];
  const seen = new Set<string>();
  for await (const image of selectImages(providers, selection, options)) {
    const key = formatRef(image.ref);
    if (seen.has(key)) continue;
    seen.add(key);
    const { ref, name, createdAt, deprecation: from } = image;
    const provider = providers.require(ref.provider, 'deprecation');
    const hindrance = findHindrance(providers, provider, image, to, chain);
    items.push({
      ref,
      name,
      createdAt,
      decision: hindrance === undefined ? 'change' : 'keep',
      reasons: [hindrance ?? `it is ${from.state} and becomes ${to.state}`],
      from,
    });
  }
  return { id: crypto.randomUUID(), to, items };
}

/**
 * The replacement, and what replaces that, and so on: none of them may get it as its replacement.
 *
 * @throws {@link ImgkitError} with `NOT_FOUND` if there is no such image.
 */
export async function readChain(
  providers: Providers,
  replacement: ImageRef | undefined,
  options: CallOptions | undefined,
): Promise<readonly ImageRef[]> {
  if (replacement === undefined) return [];
  const { image } = await readImage(providers, replacement, options);
  const chain = [image.ref];
  try {
    for await (const next of followReplacements(providers, image, options)) chain.push(next.ref);
  } catch (error) {
    // A circle further along was there before, and isn't made by this plan.
    if (!ImgkitError.is(error, 'FAILED_PRECONDITION')) throw error;
  }
  return chain;
}

/** Whether two deprecations say the same, replacements as their providers see them. */
export function sameAs(providers: Providers, a: Deprecation, b: Deprecation): boolean {
  return sameDeprecation(a, b, (x, y) => sameImage(providers, x, y));
}

function findHindrance(
  providers: Providers,
  provider: Provider,
  { ref, project, deprecation }: Image,
  to: Deprecation,
  chain: readonly ImageRef[],
): string | undefined {
  if (sameAs(providers, deprecation, to)) return 'it is so already';
  if (project !== provider.project) return `it belongs to project "${project}"`;
  if (chain.some((other) => sameImage(providers, other, ref))) return 'it would replace itself';
  return undefined;
}
