import type { RedactingStream } from '../redact.ts';

/** Longer lines are cut: nobody reads them, and everybody stores them. */
const longestLine = 4096;
/** How many of the last lines an error shows. */
const keptLines = 30;

/** Turns the bytes that a guest prints into lines that hold no secret. */
export class GuestOutput {
  readonly #decoder = new TextDecoder();
  readonly #redacting: RedactingStream;
  readonly #give: (line: string) => void;
  #rest = '';
  #last: string[] = [];

  constructor(redacting: RedactingStream, give: (line: string) => void) {
    this.#redacting = redacting;
    this.#give = give;
  }

  /** The last lines. */
  get last(): readonly string[] {
    return this.#last;
  }

  push(bytes: Buffer): void {
    this.#take(this.#redacting.push(this.#decoder.decode(bytes, { stream: true })));
  }

  /** Gives what is left, a line that has no end too. */
  end(): void {
    this.#take(this.#redacting.push(this.#decoder.decode()) + this.#redacting.end());
    if (this.#rest !== '') this.#line(this.#rest);
    this.#rest = '';
  }

  #take(text: string): void {
    const lines = (this.#rest + text).split('\n');
    this.#rest = lines.pop() ?? '';
    for (const line of lines) this.#line(line);
  }

  #line(line: string): void {
    // A carriage return begins the line anew, as progress bars do: what counts is what stands there in the end.
    const shown = line.replace(/\r$/u, '').split('\r').at(-1) ?? '';
    const cut = shown.length > longestLine ? `${shown.slice(0, longestLine)}…` : shown;
    this.#last = [...this.#last.slice(1 - keptLines), cut];
    this.#give(cut);
  }
}
