/** Wakes those who wait for something to change in the journal. */
export class Bell {
  readonly #waiters = new Set<() => void>();

  /** Wakes all who wait now. */
  ring(): void {
    for (const wake of this.#waiters) wake();
  }

  /** Resolves at the next ring, after `ms` milliseconds, or when the signal is aborted. It never rejects. */
  wait(ms: number, signal?: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      if (signal?.aborted === true) {
        resolve();
        return;
      }
      const wake = () => {
        clearTimeout(timer);
        signal?.removeEventListener('abort', wake);
        this.#waiters.delete(wake);
        resolve();
      };
      const timer = setTimeout(wake, ms);
      signal?.addEventListener('abort', wake);
      this.#waiters.add(wake);
    });
  }
}
