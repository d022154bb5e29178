/** Keeps the last bytes of what passes by. */
export class Tail {
  readonly #limit: number;
  #chunks: Buffer[] = [];
  #size = 0;

  /** @param limit - How many bytes to keep. */
  constructor(limit: number) {
    this.#limit = limit;
  }

  push(chunk: Buffer): void {
    this.#chunks.push(chunk);
    this.#size += chunk.length;
    if (this.#size > this.#limit * 2) this.#cut();
  }

  text(): string {
    this.#cut();
    return Buffer.concat(this.#chunks).toString('utf8');
  }

  #cut(): void {
    if (this.#size <= this.#limit) return;
    const all = Buffer.concat(this.#chunks).subarray(-this.#limit);
    this.#chunks = [all];
    this.#size = all.length;
  }
}
