import type { Screen } from './screen.ts';

/** What every part of the job is given. */
export interface JobContext {
  readonly screen: Screen;
  readonly signal: AbortSignal;
  /** Whether to show what the guests print. */
  readonly verbose: boolean;
}
