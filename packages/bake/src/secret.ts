import { ImgkitError } from '@imgkit/core';
import { inspect } from 'node:util';

/** What is shown in place of a secret. */
export const redacted = '[secret]';

/** Fewer characters than this can't be told apart from ordinary output, and would hide half of it. */
export const shortestSecret = 4;

/**
 * A value that must never be seen: printing, inspecting or serializing it gives `[secret]`, and
 * wherever the value itself turns up in what a guest prints, it is replaced. Make one with {@link secret}.
 */
export class Secret {
  readonly #value: string;

  constructor(value: string) {
    this.#value = value;
  }

  /** The value itself: for the moment of use only. */
  reveal(): string {
    return this.#value;
  }

  toString(): string {
    return redacted;
  }

  toJSON(): string {
    return redacted;
  }

  [inspect.custom](): string {
    return redacted;
  }
}

/**
 * Marks a value as secret, for example for `shell({ secrets: { TOKEN: secret(token) } })`.
 *
 * @throws {@link ImgkitError} with `INVALID_ARGUMENT` when it has fewer than 4 characters, since such a
 *   value can't be kept out of any output.
 */
export function secret(value: string): Secret {
  if (typeof value !== 'string' || value.trim().length < shortestSecret)
    throw new ImgkitError(
      'INVALID_ARGUMENT',
      `a secret needs at least ${shortestSecret} characters that are not blank`,
      { hint: 'Check that the variable it comes from is set.' },
    );
  return new Secret(value);
}
