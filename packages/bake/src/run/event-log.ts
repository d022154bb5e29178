import type { BakeEvent } from './bake-event.ts';

/** Events, for any number of readers: each reads all of them, from the first on. */
export class EventLog {
  readonly #events: BakeEvent[] = [];
  #closed = false;
  #news = Promise.withResolvers<void>();

  push(event: BakeEvent): void {
    this.#events.push(event);
    this.#wake();
  }

  /** Nothing comes any more. */
  close(): void {
    this.#closed = true;
    this.#wake();
  }

  async *read(): AsyncGenerator<BakeEvent> {
    for (let at = 0; ;) {
      const event = this.#events[at];
      if (event !== undefined) {
        at += 1;
        yield event;
      } else if (this.#closed) return;
      else await this.#news.promise;
    }
  }

  #wake(): void {
    this.#news.resolve();
    this.#news = Promise.withResolvers<void>();
  }
}
