import { expect, it } from 'vitest';
import { ImgkitError, type ErrorCode } from '../spec/errors.ts';
import { ifThere } from './if-there.ts';

function failing(code: ErrorCode): Promise<undefined> {
  return ifThere(async () => {
    throw new ImgkitError(code, 'it failed');
  });
}

it('ifThere gives nothing for what isn’t there, and hides no other error', async () => {
  expect(await ifThere(async () => 1)).toBe(1);
  expect(await failing('NOT_FOUND')).toBeUndefined();
  await expect(failing('PERMISSION_DENIED')).rejects.toMatchObject({ code: 'PERMISSION_DENIED' });
});
