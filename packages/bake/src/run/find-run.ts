import { ImgkitError, type Image, type Imgkit, type RunDetail, type RunInfo } from '@imgkit/core';
import { KeyFiles } from './key-files.ts';
import { mayBeReused, type BakePlan } from './plan.ts';

/** The run that a bake is, or the image that makes one needless. */
export type FoundRun =
  | { readonly image: Image }
  | {
      readonly id: string;
      readonly generation: number;
      /** Whether it is over and begins anew. */
      readonly restart: boolean;
      /** The number of the first event it has not told yet. */
      readonly nextEvent: number;
    };

/**
 * Finds the run that a bake is: one that is under way or was cut off, even if its image is published already; one that failed and is tried again; or a
 * new one. Unless it is to be baked anew, an image that exists makes a run needless, also one that another program has baked since the plan was made.
 */
export async function findRun(kit: Imgkit, plan: BakePlan, force: boolean): Promise<FoundRun> {
  for (let generation = 1; ; generation++) {
    const id = generation === 1 ? plan.runId : `${plan.runId}.${generation}`;
    const known = await showRun(kit, id);
    if (known?.state === 'SUCCEEDED') {
      const image = force ? undefined : await imageOf(kit, known);
      if (image !== undefined && mayBeReused(image, plan.key)) return { image };
      continue;
    }
    const restart = known?.state === 'FAILED' || known?.state === 'CANCELLED';
    const goesOn = known !== undefined && !restart;
    if (plan.existing !== undefined && !force && !goesOn) return { image: plan.existing };
    // What was left standing to look into is in the way of the next attempt.
    if (restart) await kit.engine.cleanup(id);
    const next = known === undefined ? 1 : await nextEvent(kit, id);
    return { id, generation, restart, nextEvent: next };
  }
}

/** Removes the keys of runs that are over, and whose machines are gone: they are of no use, whatever kept them from being removed. */
export async function removeOldKeys(kit: Imgkit): Promise<void> {
  const files = new KeyFiles(kit.stateDirectory);
  for (const id of await files.list()) {
    const run = await showRun(kit, id);
    if (run === undefined || (run.finishedAt !== undefined && !hasMachine(run)))
      await files.remove(id);
  }
}

function hasMachine({ ledger }: RunDetail): boolean {
  return ledger.some(
    ({ kind, state }) => kind === 'instance' && (state === 'intent' || state === 'created'),
  );
}

async function showRun(kit: Imgkit, id: string): Promise<RunDetail | undefined> {
  try {
    return await kit.engine.show(id);
  } catch (error) {
    if (ImgkitError.is(error, 'NOT_FOUND')) return undefined;
    throw error;
  }
}

async function imageOf(kit: Imgkit, { output }: RunInfo): Promise<Image | undefined> {
  const { provider, id } = isRecord(output) && isRecord(output['image']) ? output['image'] : {};
  if (typeof provider !== 'string' || typeof id !== 'string') return undefined;
  try {
    return await kit.images.get({ provider, id });
  } catch (error) {
    if (ImgkitError.is(error, 'NOT_FOUND')) return undefined;
    throw error;
  }
}

async function nextEvent(kit: Imgkit, id: string): Promise<number> {
  let last = 0;
  for await (const { seq } of kit.engine.events(id)) last = seq;
  return last + 1;
}

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null;
}
