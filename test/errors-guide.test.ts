import { errorCodes } from '@imgkit/core';
import { expect, it } from 'vitest';
import { readFiles } from './support/repository.ts';

it('the guide to errors lists exactly the codes there are, in their order, with whether to retry', async () => {
  const [guide] = await readFiles(/^docs\/errors\.md$/);
  const rows = guide?.text.matchAll(/^\| `([A-Z_]+)` +\| (yes|no) +\|/gm) ?? [];
  expect(Array.from(rows, ([, code, retry]) => [code, retry])).toEqual(
    Object.entries(errorCodes).map(([code, { retryable }]) => [code, retryable ? 'yes' : 'no']),
  );
});
