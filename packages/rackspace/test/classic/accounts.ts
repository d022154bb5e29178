import { randomBytes, randomUUID } from 'node:crypto';

import { z } from 'zod';

import { faultRefusal } from './wire.ts';

/** An account of the classic cloud, which is a project of the real Keystone behind it. */
export interface Account {
  /** Its number: the tenant id. */
  readonly number: string;
  readonly user: string;
  readonly apiKey: string;
  readonly password: string;
  /** The id of the project behind it. */
  readonly project: string;
}

/** A token that was given out. */
export interface IssuedToken {
  readonly id: string;
  readonly account: Account;
  readonly expiresAt: number;
}

const answer = z.object({
  token: z.object({ project: z.object({ id: z.string() }) }),
});

const firstNumber = 5_900_001;

/** The accounts, each a user and a project of one name in the real Keystone, and the tokens they hold. */
export class Accounts {
  /** How long new tokens live, in milliseconds. */
  tokenLifeMs = 86_400_000;
  readonly #keystone: string;
  readonly #now: () => number;
  readonly #accounts: Account[] = [];
  readonly #tokens = new Map<string, IssuedToken>();

  private constructor(keystone: string, now: () => number) {
    this.#keystone = keystone;
    this.#now = now;
  }

  /** @param keystone - The address of the real Keystone, with `/v3`. */
  static async open(
    keystone: string,
    users: readonly string[],
    password: string,
    now: () => number,
  ): Promise<Accounts> {
    const accounts = new Accounts(keystone, now);
    for (const [index, user] of users.entries()) {
      const { project } = await accounts.#ask(user, password);
      const number = String(firstNumber + index);
      const apiKey = randomBytes(16).toString('hex');
      accounts.#accounts.push({ number, user, apiKey, password, project });
    }
    return accounts;
  }

  /** The account of a user, or of a number. */
  find(userOrNumber: string): Account | undefined {
    return this.#accounts.find(
      ({ user, number }) => user === userOrNumber || number === userOrNumber,
    );
  }

  /** A new token: a real one, which the services behind take too. */
  async issue(account: Account): Promise<IssuedToken> {
    const { token } = await this.#ask(account.user, account.password);
    const issued = { id: token, account, expiresAt: this.#now() + this.tokenLifeMs };
    this.#tokens.set(token, issued);
    return issued;
  }

  /** Whose token it is; a token that is unknown or over is refused. */
  holder(token: unknown): Account {
    const known = this.known(token);
    if (known !== undefined) return known.account;
    throw faultRefusal(
      401,
      'unauthorized',
      'No valid token provided. Please use the /v2.0/tokens.',
    );
  }

  /** A token that was given out and isn't over. */
  known(token: unknown): IssuedToken | undefined {
    const known = typeof token === 'string' ? this.#tokens.get(token) : undefined;
    return known !== undefined && known.expiresAt > this.#now() ? known : undefined;
  }

  /** Takes all tokens back. */
  revokeAll(): void {
    this.#tokens.clear();
  }

  /** What the services behind say, with account numbers for projects. */
  outward(text: string): string {
    return this.#accounts.reduce(
      (said, { project, number }) => said.replaceAll(`"${project}"`, `"${number}"`),
      text,
    );
  }

  /** The project of an account number; anything else as a project that nobody has. */
  projectOf(number: string): string {
    return this.find(number)?.project ?? randomUUID().replaceAll('-', '');
  }

  async #ask(user: string, password: string): Promise<{ token: string; project: string }> {
    const domain = { id: 'default' };
    const response = await fetch(`${this.#keystone}/auth/tokens`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({
        auth: {
          identity: {
            methods: ['password'],
            password: { user: { name: user, domain, password } },
          },
          scope: { project: { name: user, domain } },
        },
      }),
    });
    const { token } = answer.parse(await response.json());
    return { token: response.headers.get('x-subject-token') ?? '', project: token.project.id };
  }
}
