import { ImgkitError } from './spec/errors.ts';

/** What must be let go of at the end, the last first. `AsyncDisposableStack` for the Nodes that lack it. */
export class Disposal {
  readonly #disposers: { readonly what: string; readonly dispose: () => Promise<void> }[] = [];

  /** Adds something to let go of. */
  add(what: string, dispose: () => Promise<void>): void {
    this.#disposers.push({ what, dispose });
  }

  /**
   * Lets go of everything once, also when something fails on the way.
   *
   * @throws {@link ImgkitError} with `CLEANUP_FAILED` that says what failed; its cause is the first failure.
   */
  async run(): Promise<void> {
    const failures: { readonly what: string; readonly error: unknown }[] = [];
    for (let next = this.#disposers.pop(); next !== undefined; next = this.#disposers.pop()) {
      try {
        await next.dispose();
      } catch (error) {
        failures.push({ what: next.what, error });
      }
    }
    if (failures.length === 0) return;
    const reasons = failures.map(
      ({ what, error }) => `${what}: ${error instanceof Error ? error.message : String(error)}`,
    );
    throw new ImgkitError('CLEANUP_FAILED', `not all could be closed: ${reasons.join('; ')}`, {
      hint: 'No cloud resource is concerned; connections or files may be open until the process ends.',
      cause: failures[0]?.error,
    });
  }
}
