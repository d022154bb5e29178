import type { CallOptions, Image, Imgkit, ImgkitError } from '@imgkit/core';
import type { Connect } from './machine.ts';
import type { Recipe } from './recipe.ts';
import type { BakeEvent } from './run/bake-event.ts';
import { Baking } from './run/baking.ts';

/** Where, and how, {@link bake} bakes. */
export interface BakeOptions extends CallOptions {
  /** The names of the providers; all that the recipe has a source for by default. They bake side by side. */
  readonly on?: readonly string[] | undefined;
  /** The version in the family; made from the time by default. Part of the bake key. */
  readonly version?: string | undefined;
  /** Bake anew, even if the same image exists. Default: false. */
  readonly force?: boolean | undefined;
  /** When it fails, leave the machine standing, to look into it. Default: false. */
  readonly keepOnFailure?: boolean | undefined;
  /** Cancel the other providers as soon as one fails. By default each goes to its own end. */
  readonly failFast?: boolean | undefined;
  /** How guests are reached; over SSH by default. */
  readonly connect?: Connect | undefined;
}

/** What was baked at one provider. */
export interface BakedImage {
  readonly provider: string;
  /** The id of the run that baked it, or would have. */
  readonly runId: string;
  readonly image: Image;
  /** Whether it existed before: nothing that goes into it has changed. */
  readonly reused: boolean;
  /** The images that it replaces and that were deprecated for it, as text. */
  readonly predecessors: readonly string[];
  /** From the call to the result, in milliseconds. */
  readonly durationMs: number;
}

/** How it went at one provider. */
export type BakeResult =
  | ({ readonly state: 'SUCCEEDED' } & BakedImage)
  | {
      readonly state: 'FAILED';
      readonly provider: string;
      /** Unknown when it was refused before there was a run. */
      readonly runId: string | undefined;
      readonly error: ImgkitError;
    };

/** What a bake gives when it succeeds everywhere. */
export interface BakeSummary {
  /** One for each provider, in the order in which they were asked for. */
  readonly images: readonly BakedImage[];
  /** Whether nothing had to be baked at all. */
  readonly reused: boolean;
}

/**
 * A bake under way. `await` it for its images; iterate over it for its events, from the first on; both may be done, and either may be left out. Iterating ends
 * with the bake and doesn't throw.
 *
 * Awaiting it throws the {@link ImgkitError} of the provider that failed; with several providers `OPERATION_FAILED` with `data.failures` and
 * `data.images`; `CANCELLED` when it was cancelled. The error of a step has `data.step`, `data.output` (the last lines it printed) and `data.console`.
 */
export interface BakeRun extends PromiseLike<BakeSummary>, AsyncIterable<BakeEvent> {
  /** The id of each provider's run, as soon as it is known. It is the same when the same is baked again, which is how a bake is resumed. */
  readonly ids: Readonly<Record<string, string>>;
  /** How it went at each provider. Doesn't throw. */
  results(): Promise<readonly BakeResult[]>;
  /** Stops it, and removes all that it made; resolves when that is done. */
  cancel(reason?: string): Promise<void>;
}

/**
 * Bakes a recipe: launches a builder, provisions, seals and captures it, verifies the candidate on a fresh machine, publishes it, and deprecates its
 * predecessors.
 *
 * What was baked before from the same recipe, files, source and version is used again. A bake that was cut off, by a crash or `kill -9`, is gone on
 * with by calling this again with the same recipe and version; it keeps the source that it has resolved. Two programs that bake the same at the same
 * time bake once. When the signal is aborted, the bake is cancelled and cleaned up.
 *
 * @example
 * ```ts
 * import { createImgkit, family } from '@imgkit/core';
 * import { bake, recipe, shell } from '@imgkit/bake';
 * import { qemu } from '@imgkit/qemu';
 *
 * await using kit = await createImgkit({ providers: [qemu()] });
 * const web = recipe('web', {
 *   from: { qemu: family('debian-12') },
 *   provision: [shell({ inline: ['apt-get install -y nginx'] })],
 *   verify: [shell({ inline: ['systemctl is-active nginx'] })],
 *   family: 'web',
 * });
 * const run = bake(kit, web, { version: '2026.11.21' });
 * for await (const event of run) console.log(event.provider, event.message);
 * const { images } = await run;
 * console.log(images[0]?.image.name);
 * ```
 */
export function bake(kit: Imgkit, recipe: Recipe, options: BakeOptions = {}): BakeRun {
  return new Baking(kit, recipe, options);
}
