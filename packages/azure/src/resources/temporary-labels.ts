import { ownershipLabels, type Labels } from '@imgkit/core';

import type { AzureContext } from '../context.ts';

/** What is there for a while only, on the way to something else. */
export interface TemporaryResource {
  /** What it is there for, as a run is called: `export-…`. */
  readonly run: string;
  /** How long it may be needed, in seconds. */
  readonly seconds: number;
  /** The labels of what it is there for; those of a run of the engine's count. */
  readonly labels?: Labels | undefined;
}

/** The labels by which a sweep finds what a killed process has left, also where no run of the engine's made it. */
export async function temporaryLabels(
  { clock, owner }: AzureContext,
  { run, seconds, labels = {} }: TemporaryResource,
): Promise<Labels> {
  return {
    [ownershipLabels.run]: run,
    [ownershipLabels.owner]: await owner(),
    [ownershipLabels.expires]: String(Math.ceil(clock.now() / 1000) + seconds),
    ...labels,
  };
}
