import type { IncomingHttpHeaders } from 'node:http';
import { text } from 'node:stream/consumers';
import type { Readable } from 'node:stream';

import type { z } from 'zod';

import type { Account } from './accounts.ts';

/** One request of a signed-in user. */
export interface Call {
  readonly method: string;
  /** What of the path is the service's own: `/images/…`, without version and account. */
  readonly path: string;
  readonly query: URLSearchParams;
  readonly headers: IncomingHttpHeaders;
  /** The body as it comes. */
  readonly body: Readable;
  readonly account: Account;
  /** The token, which the real services take too. */
  readonly token: string;
}

/** An answer. */
export interface Reply {
  readonly status: number;
  readonly headers?: Readonly<Record<string, string>> | undefined;
  readonly json?: unknown;
  readonly body?: Buffer | string | undefined;
}

/** Answers the requests of one service. */
export type Service = (call: Call) => Promise<Reply> | Reply;

/** An answer that is a refusal, thrown. */
export class Refusal extends Error {
  readonly reply: Reply;

  constructor(reply: Reply) {
    super(`refused with ${reply.status}`);
    this.reply = reply;
  }
}

const titles: Readonly<Record<number, string>> = {
  400: 'Bad Request',
  401: 'Unauthorized',
  403: 'Forbidden',
  404: 'Not Found',
  405: 'Method Not Allowed',
  409: 'Conflict',
  413: 'Request Entity Too Large',
  415: 'Unsupported Media Type',
  422: 'Unprocessable Entity',
};

/** How Cloud Images and Cloud Files refuse: in HTML, whatever the client accepts. */
export function htmlRefusal(status: number, message: string): Refusal {
  const title = `${status} ${titles[status] ?? 'Error'}`;
  const body = `<html>
 <head>
  <title>${title}</title>
 </head>
 <body>
  <h1>${title}</h1>
  ${message}<br /><br />
 </body>
</html>`;
  return new Refusal({ status, headers: { 'content-type': 'text/html; charset=UTF-8' }, body });
}

/** How Cloud Servers and the identity service refuse: `{ itemNotFound: { code, message } }`. */
export function faultRefusal(status: number, name: string, message: string): Refusal {
  return new Refusal({ status, json: { [name]: { code: status, message } } });
}

/** How Auto Scale refuses. */
export function scaleRefusal(status: number, type: string, message: string): Refusal {
  return new Refusal({ status, json: { error: { code: status, type, message, details: '' } } });
}

/** The body of a request, as what it must be. */
export async function bodyOf<T>(
  call: Call,
  schema: z.ZodType<T>,
  refuse: (message: string) => Refusal,
): Promise<T> {
  let content: unknown;
  try {
    content = JSON.parse(await text(call.body));
  } catch {
    throw refuse('Malformed request body');
  }
  const parsed = schema.safeParse(content);
  if (parsed.success) return parsed.data;
  throw refuse(`${parsed.error.issues[0]?.path.join('.')}: ${parsed.error.issues[0]?.message}`);
}
