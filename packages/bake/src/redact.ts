import { ImgkitError } from '@imgkit/core';
import { encodingsOf } from './encodings.ts';
import { redacted, Secret } from './secret.ts';

/**
 * Takes secrets out of text, however they are encoded there. One redactor serves a whole run; {@link Redactor.stream}
 * gives a redactor for text that arrives in pieces.
 */
export class Redactor {
  readonly #patterns = new Set<string>();

  constructor(secrets: Iterable<Secret> = []) {
    for (const one of secrets) this.add(one);
  }

  /** Takes this secret out as well from now on, in streams that are already open too. */
  add(one: Secret): void {
    for (const pattern of encodingsOf(one.reveal())) this.#patterns.add(pattern);
  }

  /** `text` without any secret. */
  text(text: string): string {
    const stream = this.stream();
    return stream.push(text) + stream.end();
  }

  /** A copy of plain data whose strings (keys too) hold no secret. */
  value(value: unknown): unknown {
    if (typeof value === 'string') return this.text(value);
    if (Array.isArray(value)) return value.map((item) => this.value(item));
    if (value instanceof Secret) return redacted;
    if (value instanceof Error) return this.error(value);
    if (typeof value !== 'object' || value === null) return value;
    return Object.fromEntries(
      Object.entries(value).map(([key, item]) => [this.text(key), this.value(item)]),
    );
  }

  /** The same error without secrets in its message, details, and causes. */
  error(error: unknown): Error {
    if (!(error instanceof Error)) return new Error(this.text(String(error)));
    const cause = error.cause === undefined ? undefined : this.error(error.cause);
    const message = this.text(error.message);
    let clean: Error;
    if (ImgkitError.is(error)) {
      const data = this.value(error.data);
      clean = new ImgkitError(error.code, message, {
        provider: error.provider,
        operation: error.operation,
        resource: this.#maybe(error.resource),
        hint: this.#maybe(error.hint),
        providerCode: error.providerCode,
        requestId: error.requestId,
        retryAfterMs: error.retryAfterMs,
        token: error.token,
        leftovers: error.leftovers,
        replacement: error.replacement,
        data: isRecord(data) ? data : undefined,
        cause,
      });
    } else {
      clean = new Error(message, cause === undefined ? undefined : { cause });
      clean.name = error.name;
    }
    if (error.stack !== undefined) clean.stack = this.text(error.stack);
    return clean;
  }

  /** A redactor for text that comes in pieces: it holds back only what may be the beginning of a secret. */
  stream(): RedactingStream {
    return new RedactingStream(this.#patterns);
  }

  #maybe(text: string | undefined): string | undefined {
    return text === undefined ? undefined : this.text(text);
  }
}

/** See {@link Redactor.stream}. Its output doesn't depend on how the text was cut into pieces. */
export class RedactingStream {
  readonly #patterns: ReadonlySet<string>;
  /** Seen and not yet given out, since a secret may begin in it. */
  #held = '';
  /** How many characters at the front of what is held belong to a secret whose mark was already given out. */
  #covered = 0;

  constructor(patterns: ReadonlySet<string>) {
    this.#patterns = patterns;
  }

  /** Takes the next piece, gives what is certain by now. */
  push(piece: string): string {
    this.#held += piece;
    return this.#give(this.#safeLength());
  }

  /** Gives the rest: nothing comes after it. */
  end(): string {
    return this.#give(this.#held.length);
  }

  /** The first position at which a secret may begin whose end has not arrived. */
  #safeLength(): number {
    let safe = this.#held.length;
    for (const pattern of this.#patterns) {
      const first = pattern.charAt(0);
      let at = this.#held.indexOf(first, Math.max(0, this.#held.length - pattern.length + 1));
      while (at !== -1 && at < safe) {
        if (pattern.startsWith(this.#held.slice(at))) safe = at;
        at = this.#held.indexOf(first, at + 1);
      }
    }
    return safe;
  }

  #give(length: number): string {
    const spans = this.#spans();
    let out = '';
    let at = 0;
    for (const [from, to] of spans) {
      if (from >= length) break;
      out += this.#held.slice(at, from);
      // A span that begins at 0 while something is covered goes on where the last mark stands.
      if (from > 0 || this.#covered === 0) out += redacted;
      at = to;
    }
    if (at < length) out += this.#held.slice(at, length);
    this.#held = this.#held.slice(length);
    this.#covered = Math.max(0, Math.max(at, this.#covered) - length);
    return out;
  }

  /** Where secrets stand in what is held: sorted, joined where they overlap. */
  #spans(): [number, number][] {
    const spans: [number, number][] = this.#covered > 0 ? [[0, this.#covered]] : [];
    for (const pattern of this.#patterns)
      for (
        let at = this.#held.indexOf(pattern);
        at !== -1;
        at = this.#held.indexOf(pattern, at + 1)
      )
        spans.push([at, at + pattern.length]);
    spans.sort(([a], [b]) => a - b);
    const joined: [number, number][] = [];
    for (const span of spans) {
      const last = joined.at(-1);
      if (last !== undefined && span[0] < last[1]) last[1] = Math.max(last[1], span[1]);
      else joined.push([...span]);
    }
    return joined;
  }
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
