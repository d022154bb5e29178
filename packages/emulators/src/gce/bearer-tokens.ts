import { unauthenticated } from './errors.ts';
import type { Caller } from './iam.ts';

const prefix = 'imgkit-emulator.';

/** The token that stands for an IAM member. */
export function tokenOf(member: string): string {
  return prefix + Buffer.from(member).toString('base64url');
}

/** Whose token a request carries; nobody's when it carries none. */
export function callerOf(authorization: string | undefined): Caller {
  if (authorization === undefined) return undefined;
  const token = /^Bearer (\S+)$/i.exec(authorization)?.[1];
  if (!token?.startsWith(prefix)) throw unauthenticated();
  return Buffer.from(token.slice(prefix.length), 'base64url').toString('utf8');
}
