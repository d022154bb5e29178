/** What every asynchronous call of imgkit takes as its last argument. */
export interface CallOptions {
  /**
   * Stops the call. A call that is stopped rejects with `CANCELLED`, or, when the cloud goes on
   * working, with `PENDING` and a token.
   */
  readonly signal?: AbortSignal | undefined;
}

/** Values that survive being written as JSON. */
export type Json =
  | string
  | number
  | boolean
  | null
  | readonly Json[]
  | { readonly [key: string]: Json };
