import { systemClock } from '@imgkit/core';
import { describe, expect, it } from 'vitest';

import {
  fakeTransport,
  quickRetrier,
  settings,
  tokenAnswer,
  type Answer,
} from '../../test/fake-cloud.ts';
import { connect } from '../client.ts';
import { CloudContext } from '../resources/context.ts';
import { consoleTail, printedHostKeys } from './console.ts';

function contextOf(answer: Answer): CloudContext {
  const { send } = fakeTransport(({ url }) => {
    if (url.endsWith('/auth/tokens')) return tokenAnswer('t1');
    return url.endsWith('/action') ? answer : { status: 404 };
  });
  const client = connect(settings, quickRetrier(), send);
  return new CloudContext({ provider: 'lab', project: 'p1', client, clock: systemClock() });
}

const keys = (...lines: readonly string[]) =>
  ['-----BEGIN SSH HOST KEY KEYS-----', ...lines, '-----END SSH HOST KEY KEYS-----', ''].join('\n');

describe('a console', () => {
  it('is cut to its end, to whole characters', async () => {
    const context = contextOf({ json: { output: 'first\nläst' } });
    expect(await consoleTail(context, 's1', 1000)).toBe('first\nläst');
    expect(await consoleTail(context, 's1', 4)).toBe('äst');
    expect(await consoleTail(context, 's1', 3)).toBe('st');
  });

  it('is empty while there is none', async () => {
    const conflict = { conflictingRequest: { code: 409, message: 'Instance not ready' } };
    expect(await consoleTail(contextOf({ status: 409, json: conflict }), 's1', 100)).toBe('');
  });

  it('tells the host keys that cloud-init printed last', async () => {
    const output = `boot\n${keys('ssh-rsa OLD= root@a')}\nagain\n${keys('ssh-ed25519 AAAA root@a', 'ecdsa-sha2-nistp256 BBBB= root@a')}login:`;
    expect(await printedHostKeys(contextOf({ json: { output } }), 's1')).toEqual([
      'ssh-ed25519 AAAA',
      'ecdsa-sha2-nistp256 BBBB=',
    ]);
  });

  it.each<[string, Answer]>([
    ['nothing was printed', { json: { output: 'boot' } }],
    ['nobody may look', { status: 403 }],
  ])('tells no host keys where %s', async (_, answer) => {
    expect(await printedHostKeys(contextOf(answer), 's1')).toEqual([]);
  });
});
