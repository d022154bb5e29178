import type { Json } from '@imgkit/core';
import * as z from 'zod';

import type { OperationAddress } from './client.ts';

/** What a token says: which operation of the cloud to wait for, and how to go on then. */
export interface OperationToken {
  /** The call that began it: `images.create`. */
  readonly call: string;
  /** Nothing when somebody else began the work: then the resource itself is watched. */
  readonly operation: OperationAddress | null;
  /** The id of what is made or changed. */
  readonly target: string;
  /** What the call itself needs to go on. */
  readonly rest: Json;
}

const schema = z.strictObject({
  call: z.string(),
  operation: z
    .strictObject({ mode: z.string(), url: z.url(), subscription: z.string() })
    .nullable(),
  target: z.string(),
  rest: z.json(),
});

/** The text form of a token. The provider's name is in front of it for people to read; it doesn't count. */
export function encodeToken(provider: string, token: OperationToken): string {
  const { call, operation, target, rest } = token;
  const text = JSON.stringify({ call, operation, target, rest });
  return `${provider}:${Buffer.from(text).toString('base64url')}`;
}

/** Reads a token; nothing for what isn't one. */
export function decodeToken(text: string): OperationToken | undefined {
  const encoded = text.slice(text.lastIndexOf(':') + 1);
  try {
    const parsed: unknown = JSON.parse(Buffer.from(encoded, 'base64url').toString());
    return schema.safeParse(parsed).data;
  } catch {
    return undefined; // not JSON, so not a token
  }
}
