import {
  isJsonObject,
  objectOf,
  objectsOf,
  textOf,
  type Json,
  type JsonObject,
} from '../src/control-plane/json.ts';
import type { GceEmulator } from '../src/gce-emulator.ts';

/** An answer, as it comes over the wire. */
export interface RestAnswer {
  readonly status: number;
  readonly headers: Headers;
  readonly body: JsonObject;
  /** Of an error: its reason and what it says. */
  readonly reason: string | undefined;
  readonly message: string | undefined;
}

/** Requests by hand: also those that Google's clients would never send. */
export interface Rest {
  send(method: string, path: string, body?: Json): Promise<RestAnswer>;
  /** Starts an operation, waits for it, and gives it. */
  settle(method: string, path: string, body?: Json): Promise<JsonObject>;
}

/** @param member - who asks; the owner by default. */
export function rest(emulator: GceEmulator, project: string, member?: string): Rest {
  const base = `${emulator.endpoint}/compute/v1/projects/${project}`;
  const send = async (method: string, path: string, body?: Json): Promise<RestAnswer> => {
    const answer = await fetch(`${base}${path}`, {
      method,
      headers: member === undefined ? {} : { authorization: `Bearer ${emulator.token(member)}` },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
    const read: unknown = await answer.json();
    const whole = isJsonObject(read) ? read : {};
    const error = objectOf(whole, 'error');
    return {
      status: answer.status,
      headers: answer.headers,
      body: whole,
      reason: textOf(objectsOf(error, 'errors').at(0), 'reason'),
      message: textOf(error, 'message'),
    };
  };
  return {
    send,
    async settle(method, path, body) {
      const started = await send(method, path, body);
      if (started.status !== 200) throw new Error(`${started.status}: ${started.message}`);
      const link = new URL(textOf(started.body, 'selfLink') ?? '').pathname;
      const done = await send(
        'POST',
        `${link.replace(/^\/compute\/v1\/projects\/[^/]+/, '')}/wait`,
      );
      return done.body;
    },
  };
}
