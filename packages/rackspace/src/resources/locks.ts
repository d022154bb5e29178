/** Lets one at a time do something to what a key names, within this process. */
export class Locks {
  readonly #tails = new Map<string, Promise<unknown>>();

  /** Does the work after all work on the same key that was asked for before. */
  async alone<T>(key: string, work: () => Promise<T>): Promise<T> {
    const before = this.#tails.get(key) ?? Promise.resolve();
    const mine = before.then(work, work);
    this.#tails.set(key, mine);
    try {
      return await mine;
    } finally {
      if (this.#tails.get(key) === mine) this.#tails.delete(key);
    }
  }
}
