import { describe, expect, it } from 'vitest';

import { taskFailure } from './image-tasks.ts';

const failure = (message: string | null) =>
  taskFailure({ id: 't1', type: 'import', status: 'failure', message }, 'image "web"');

describe('a failed task of Cloud Images', () => {
  it.each([
    ['111: Invalid VHD', '111', 'the VHD is invalid'],
    ['Error 396 - Unable to import', '396', 'the file is no VHD'],
    ['413: Virtual size of 64424509440 bytes', '413', 'larger than 40 GB'],
    ['(523)', '523', 'neither fixed nor dynamic'],
    ['609', '609', 'the file is larger'],
    ['614: UUID is zero', '614', 'no identity'],
    ['721: parent', '721', 'a parent disk'],
  ])('that says "%s" tells what to do', (message, providerCode, why) => {
    const error = failure(message);
    expect(error).toMatchObject({ code: 'OPERATION_FAILED', providerCode });
    expect(error.message).toContain(why);
    expect(error.hint).toMatch(/Convert|disk|Merge/);
  });

  it.each([
    ['None', 'it doesn’t say why'],
    [null, 'it doesn’t say why'],
    ['Something broke', 'Something broke'],
    ['code 999', 'code 999'],
  ])('that says "%s" is told as it is', (message, why) => {
    expect(failure(message).message).toContain(why);
    expect(failure(message).providerCode).toBeUndefined();
  });
});
