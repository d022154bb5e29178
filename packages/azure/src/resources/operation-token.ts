import type { OperationToken as Token } from '@imgkit/core';
import * as z from 'zod';

import type { OperationAddress } from '../client.ts';

/** Its operation is nothing when somebody else began the work: then the resource itself is watched. */
export type OperationToken = Token<OperationAddress | null>;

const schema = z
  .strictObject({ mode: z.string(), url: z.url(), subscription: z.string() })
  .nullable();

/** Reads the address of an operation from a token; nothing for what isn't one. */
export function readAddress(value: unknown): OperationAddress | null | undefined {
  return schema.safeParse(value).data;
}
