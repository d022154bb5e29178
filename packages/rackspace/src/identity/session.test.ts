import { describe, expect, it } from 'vitest';

import {
  fakeTransport,
  quickRetrier,
  settings,
  tokenAnswer,
  type Answer,
} from '../../test/fake-cloud.ts';
import { Session } from './session.ts';

/** A session whose tokens are t1, t2 and so on. */
function session(answer?: (count: number) => Answer | Promise<Answer>) {
  let count = 0;
  const { send, requests } = fakeTransport(() => {
    count += 1;
    return answer?.(count) ?? tokenAnswer(`t${count}`);
  });
  let now = Date.now();
  const made = new Session({ settings, retrier: quickRetrier(), send, now: () => now });
  return { session: made, requests, pass: (seconds: number) => void (now += seconds * 1000) };
}

const id = async (token: Promise<{ readonly secret: { reveal(): string } }>) =>
  (await token).secret.reveal();

describe('a session', () => {
  it('signs in once for all who ask at the same time, and uses the token again', async () => {
    const { session: one, requests } = session();
    const tokens = await Promise.all([one.token(), one.token(), one.token()]);
    expect(new Set(tokens).size).toBe(1);
    expect(await id(one.token())).toBe('t1');
    expect(requests).toHaveLength(1);
  });

  it('renews a token that is about to end, and earlier for what takes long', async () => {
    const { session: one, pass } = session();
    await one.token();
    pass(3600 - 31);
    expect(await id(one.token())).toBe('t1');
    expect(await id(one.token({ forMs: 600_000 }))).toBe('t2');
    pass(3600 - 29);
    expect(await id(one.token())).toBe('t3');
  });

  it('uses tokens that live shortly for most of their life', async () => {
    const { session: one, pass } = session((count) => tokenAnswer(`t${count}`, 6));
    await one.token();
    pass(4);
    expect(await id(one.token({ forMs: 600_000 }))).toBe('t1');
    pass(1);
    expect(await id(one.token())).toBe('t2');
  });

  it('replaces a refused token once, however many were refused with it', async () => {
    const { session: one, requests } = session();
    const token = await one.token();
    const others = await Promise.all([one.replace(token), one.replace(token)]);
    expect(others.map(({ secret }) => secret.reveal())).toEqual(['t2', 't2']);
    expect((await one.replace(token)).secret.reveal()).toBe('t2');
    expect(requests).toHaveLength(2);
  });

  it('goes on signing in for others when one gives up', async () => {
    const answered = Promise.withResolvers<void>();
    const { session: one } = session(async (count) => {
      await answered.promise;
      return tokenAnswer(`t${count}`);
    });
    const stop = new AbortController();
    const impatient = one.token({ signal: stop.signal });
    const patient = one.token();
    stop.abort(new Error('enough'));
    await expect(impatient).rejects.toMatchObject({ code: 'CANCELLED' });
    answered.resolve();
    expect(await id(patient)).toBe('t1');
  });

  it('asks again when the first try failed, and keeps no failure', async () => {
    const { session: one, requests } = session((count) =>
      count === 1 ? { status: 401, json: { error: { message: 'no' } } } : tokenAnswer('t2'),
    );
    await expect(one.token()).rejects.toMatchObject({ code: 'UNAUTHENTICATED' });
    expect(await id(one.token())).toBe('t2');
    expect(requests).toHaveLength(2);
  });

  it('says that credentials are for no project', async () => {
    const answer = tokenAnswer('t1');
    const token = { expires_at: '2099-01-01T00:00:00Z' };
    const { session: one } = session(() => ({ ...answer, json: { token } }));
    await expect(one.project()).rejects.toMatchObject({ code: 'FAILED_PRECONDITION' });
  });
});
