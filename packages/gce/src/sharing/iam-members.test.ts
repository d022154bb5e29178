import { domain, silentLogger, user, type LogFields } from '@imgkit/core';
import { expect, it } from 'vitest';

import type { GceClient } from '../client.ts';
import { GceContext } from '../context.ts';
import { principalsOf } from './iam-members.ts';

const never = (): Promise<never> => Promise.reject(new Error('nobody is asked'));
const client: GceClient = {
  read: never,
  start: never,
  wait: never,
  write: never,
  async *pages() {
    yield await never();
  },
  close: () => Promise.resolve(),
};

it('members that imgkit has no word for are left out, and told the logger', async () => {
  const warnings: (LogFields | undefined)[] = [];
  const context = new GceContext({
    provider: 'gce',
    project: 'acme',
    client,
    logger: { ...silentLogger, warn: (_message, fields) => warnings.push(fields) },
    clock: { now: () => 0, sleep: never },
    zone: never,
    region: never,
  });
  const known = ['user:ann@acme.com', 'domain:acme.com'];
  const unknown = [
    'principalSet://iam.googleapis.com/projects/1/locations/global/workloadIdentityPools/ci/*',
    'deleted:user:bob@acme.com?uid=123456789012345678901',
    'projectOwner:acme',
  ];
  const named = [user('ann@acme.com'), domain('acme.com')];
  expect(await principalsOf(context, [...unknown, ...known])).toEqual(named);
  expect(warnings).toEqual([{ members: unknown }]);
  expect(await principalsOf(context, known)).toEqual(named);
  expect(warnings).toHaveLength(1);
});
