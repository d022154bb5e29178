import { styleText } from 'node:util';

const frames = ['⠋', '⠙', '⠹', '⠸', '⠼', '⠴', '⠦', '⠧', '⠇', '⠏'];

/**
 * Shows what goes on: on a terminal, finished lines and one live line below them; elsewhere, for example
 * in a log, plain lines only.
 */
export class Screen implements Disposable {
  readonly #out: NodeJS.WriteStream;
  readonly #live: boolean;
  readonly #started = performance.now();
  #text = '';
  #frame = 0;
  #timer: NodeJS.Timeout | undefined;

  constructor(out: NodeJS.WriteStream = process.stdout) {
    this.#out = out;
    this.#live = out.isTTY;
    if (this.#live) this.#timer = setInterval(() => this.#draw(), 100).unref();
  }

  /** Begins a part of the job. */
  heading(text: string): void {
    this.line('');
    this.line(styleText('bold', text, { stream: this.#out }));
  }

  /** Writes a line that stays. */
  line(text: string): void {
    this.#erase();
    this.#out.write(`${text}\n`);
    this.#draw();
  }

  /** Writes a line that stays, with the time since the start. */
  step(text: string): void {
    const seconds = ((performance.now() - this.#started) / 1000).toFixed(1).padStart(6);
    this.line(`${styleText('dim', `${seconds} s`, { stream: this.#out })}  ${text}`);
  }

  /** Replaces the live line; a log doesn't get it. */
  now(text: string): void {
    this.#text = text;
    this.#draw();
  }

  /** Removes the live line. */
  [Symbol.dispose](): void {
    clearInterval(this.#timer);
    this.#erase();
    this.#text = '';
  }

  #draw(): void {
    if (!this.#live || this.#text === '') return;
    this.#erase();
    this.#frame = (this.#frame + 1) % frames.length;
    const text = `${frames[this.#frame] ?? ''} ${this.#text}`;
    this.#out.write(text.slice(0, Math.max(10, this.#out.columns - 1)));
  }

  #erase(): void {
    if (this.#live) this.#out.write('\r\u001B[2K');
  }
}
