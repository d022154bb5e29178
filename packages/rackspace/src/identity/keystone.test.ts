import { describe, expect, it } from 'vitest';

import {
  fakeTransport,
  quickRetrier,
  settings,
  tokenAnswer,
  type Answer,
} from '../../test/fake-cloud.ts';
import { connect } from '../client.ts';

/** What is known of a project when Keystone answers so; and where it was asked. */
async function known(answer: Answer, authUrl = settings.authUrl) {
  const { send, requests } = fakeTransport(({ method }) =>
    method === 'POST' ? tokenAnswer('t1') : answer,
  );
  const { keystone } = connect({ ...settings, authUrl }, quickRetrier(), send);
  return { there: await keystone.hasProject('p 1'), url: requests.at(-1)?.url };
}

const fault = (code: number, title: string, message: string): Answer => ({
  status: code,
  json: { error: { code, title, message } },
});

describe('whether there is a project', () => {
  it('is known where Keystone tells', async () => {
    const url = 'https://keystone.test/v3/projects/p%201';
    expect(await known({ json: {} })).toEqual({ there: true, url });
    expect(await known({ json: {} }, 'https://keystone.test')).toEqual({ there: true, url });
    const missing = fault(404, 'Not Found', 'Could not find project: p 1.');
    expect(await known(missing)).toEqual({ there: false, url });
  });

  it.for([
    fault(403, 'Forbidden', 'You are not authorized: identity:get_project.'),
    // A gateway that leads to less of Keystone than there is.
    fault(404, 'Not Found', 'The resource could not be found.'),
    { status: 405 },
  ])('is not known from $status', async (answer) => {
    expect((await known(answer)).there).toBeUndefined();
  });

  it('is not guessed when Keystone is away', async () => {
    await expect(known({ status: 503 })).rejects.toMatchObject({ code: 'UNAVAILABLE' });
  });
});
