import type { OperationToken as Token } from '@imgkit/core';
import * as z from 'zod';

import type { OperationName } from '../client.ts';

export type OperationToken = Token<OperationName>;

const schema = z.strictObject({ project: z.string(), scope: z.string(), name: z.string() });

/** Reads the name of an operation from a token; nothing for what isn't one. */
export function readOperationName(value: unknown): OperationName | undefined {
  return schema.safeParse(value).data;
}
