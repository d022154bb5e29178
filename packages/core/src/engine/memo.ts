interface Memo {
  readonly value: Promise<unknown>;
  readonly dispose: () => Promise<void>;
}

/** A run's live objects, by key. */
export class Memos {
  readonly #memos = new Map<string, Memo>();

  /** The object with this key, made when there is none. One whose making failed isn't kept. */
  get<T>(
    key: string,
    make: () => Promise<T> | T,
    dispose?: (value: T) => Promise<void> | void,
  ): Promise<T> {
    const known = this.#memos.get(key);
    // The key was given together with the type when the object was made.
    // oxlint-disable-next-line typescript/no-unsafe-type-assertion
    if (known !== undefined) return known.value as Promise<T>;
    const value = (async () => make())();
    this.#memos.set(key, {
      value,
      dispose: async () => dispose?.(await value),
    });
    value.catch(() => this.#memos.delete(key));
    return value;
  }

  async forget(key: string): Promise<void> {
    const memo = this.#memos.get(key);
    this.#memos.delete(key);
    await memo?.dispose();
  }

  /** Disposes of all, the newest first. What fails to end cleanly is gone all the same. */
  async dispose(): Promise<void> {
    for (const key of [...this.#memos.keys()].toReversed()) {
      await this.forget(key).catch(() => undefined);
    }
  }
}
