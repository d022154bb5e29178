import { ImgkitError, throwIfAborted, type CallOptions, type Retrier } from '@imgkit/core';

import type { CloudSettings } from '../configuration/cloud-settings.ts';
import { abortable } from '../http/abortable.ts';
import { createTransport, type Transport } from '../http/transport.ts';
import { signIn } from './sign-in.ts';
import type { Token } from './token.ts';

/** What {@link Session} needs. */
export interface SessionOptions {
  readonly settings: CloudSettings;
  readonly retrier: Retrier;
  readonly send?: Transport | undefined;
  readonly now?: (() => number) | undefined;
}

/** A token that ends so soon isn't used any more, as keystoneauth has it. */
const staleMs = 30_000;

/** Holds the token of one user in one project: got when it is needed, used until it is about to end, renewed once for all who wait. */
export class Session {
  readonly settings: CloudSettings;
  readonly send: Transport;
  readonly #retrier: Retrier;
  readonly #now: () => number;
  #token: Token | undefined;
  #renewal: Promise<Token> | undefined;

  constructor({
    settings,
    retrier,
    send = createTransport(settings.trust),
    now = Date.now,
  }: SessionOptions) {
    this.settings = settings;
    this.send = send;
    this.#retrier = retrier;
    this.#now = now;
  }

  /**
   * A token that works.
   *
   * @param options - `forMs`: for how long it is needed; then it is renewed early rather than late.
   */
  async token(options: CallOptions & { readonly forMs?: number | undefined } = {}): Promise<Token> {
    const { signal, forMs = staleMs } = options;
    throwIfAborted(signal);
    const token = this.#token;
    if (token !== undefined && this.#remains(token, forMs)) return token;
    return this.#renewed(signal);
  }

  /** A token in place of one that was refused: another one, if that has been got since. */
  async replace(refused: Token, { signal }: CallOptions = {}): Promise<Token> {
    throwIfAborted(signal);
    if (this.#token === refused) this.#token = undefined;
    return this.#token ?? this.#renewed(signal);
  }

  /** The id of the project that the session works in. */
  async project(options?: CallOptions): Promise<string> {
    const { project } = await this.token(options);
    if (project !== undefined) return project.id;
    throw new ImgkitError('FAILED_PRECONDITION', 'the credentials are not for any project', {
      hint: 'Give projectId or projectName.',
    });
  }

  /** Tokens that live shortly are used for three quarters of their life at least. */
  #remains({ issuedAt, expiresAt }: Token, forMs: number): boolean {
    const margin = Math.min(forMs, (expiresAt - issuedAt) / 4);
    return expiresAt - this.#now() > margin;
  }

  /** Many wait for one renewal; that one of them gives up doesn't end it. */
  async #renewed(signal: AbortSignal | undefined): Promise<Token> {
    this.#renewal ??= this.#renew();
    return abortable(this.#renewal, signal);
  }

  async #renew(): Promise<Token> {
    try {
      const { settings, send } = this;
      this.#token = await this.#retrier.run(() => signIn(settings, send), { safe: true });
      return this.#token;
    } finally {
      this.#renewal = undefined;
    }
  }
}
