import { domain, everyone, group, project, serviceAccount, user, type Grant } from '@imgkit/core';
import { afterAll, describe, expect, it } from 'vitest';

import { emulatedCloud } from './emulated-cloud.ts';

const cloud = await emulatedCloud();
const { emulator, provider, base } = cloud;
const { sharing } = provider;
if (!sharing) throw new Error('the provider has no sharing');
afterAll(() => cloud[Symbol.asyncDispose]());

const condition = {
  title: 'for a while',
  expression: 'request.time < timestamp("2099-01-01T00:00:00Z")',
};

let count = 0;
async function image(): Promise<string> {
  count += 1;
  const source = { kind: 'image', image: base } as const;
  return (await provider.images.create({ name: `shared-${count}`, source })).ref.id;
}

async function grants(id: string): Promise<readonly Grant['principal'][]> {
  const found: Grant['principal'][] = [];
  for await (const { principal } of sharing?.list(id) ?? []) found.push(principal);
  return found;
}

/** Speaks to the emulator as somebody else would: reads, or writes, the policy of an image. */
async function policy(id: string, bindings?: readonly object[]) {
  const url = `${emulator.endpoint}/compute/v1/${id}`;
  const read = await fetch(`${url}/getIamPolicy?optionsRequestedPolicyVersion=3`);
  const current: { etag: string; bindings?: readonly object[] } = JSON.parse(await read.text());
  if (bindings === undefined) return current;
  const body = JSON.stringify({ policy: { version: 3, etag: current.etag, bindings } });
  const headers = { 'content-type': 'application/json' };
  const written = await fetch(`${url}/setIamPolicy`, { method: 'POST', headers, body });
  expect(written.status).toBe(200);
  return current;
}

function writes(): number {
  return emulator.requests.filter(({ rpc }) => rpc === 'Images.SetIamPolicy').length;
}

describe('a grant', () => {
  it('reaches each kind of principal', async () => {
    const id = await image();
    const all = [
      user('ann@acme.com'),
      group('ops@acme.com'),
      serviceAccount('ci@acme.iam.gserviceaccount.com'),
      domain('acme.com'),
      everyone(),
      project('imgkit-guest'),
    ];
    await sharing.grant(id, all);
    expect(await grants(id)).toEqual(all);
    const { number } = emulator.project('imgkit-guest');
    expect((await policy(id)).bindings).toEqual([
      {
        role: 'roles/compute.imageUser',
        members: [
          'user:ann@acme.com',
          'group:ops@acme.com',
          'serviceAccount:ci@acme.iam.gserviceaccount.com',
          'domain:acme.com',
          'allAuthenticatedUsers',
          `principalSet://cloudresourcemanager.googleapis.com/projects/${number}/type/ServiceAccount`,
          `serviceAccount:${number}@cloudservices.gserviceaccount.com`,
        ],
      },
    ]);
    await sharing.revoke(id, [project(number), everyone(), domain('acme.com')]);
    expect(await grants(id)).toEqual(all.slice(0, 3));
  });

  it('of what is granted, and a revocation of what isn’t, write nothing', async () => {
    const id = await image();
    await sharing.grant(id, [user('ann@acme.com')]);
    const before = writes();
    await sharing.grant(id, [user('ann@acme.com')]);
    await sharing.revoke(id, [user('bob@acme.com')]);
    expect(writes()).toBe(before);
  });

  it.for([
    [{ kind: 'user', id: 'allUsers' }, /allUsers/],
    [{ kind: 'user', id: 'ann' }, /"ann"/],
    [{ kind: 'domain', id: 'not a domain' }, /domain/],
    [{ kind: 'project', id: 'UPPER' }, /UPPER/],
  ] as const)('to %j is refused', async ([principal, message]) => {
    const before = emulator.requests.length;
    await expect(sharing.grant(base.id, [principal])).rejects.toMatchObject({
      code: 'INVALID_ARGUMENT',
      message: expect.stringMatching(message),
    });
    expect(emulator.requests).toHaveLength(before);
  });

  it('to a project that isn’t known asks for its number', async () => {
    const id = await image();
    await expect(sharing.grant(id, [project('no-such-project')])).rejects.toMatchObject({
      code: 'FAILED_PRECONDITION',
      hint: expect.stringContaining('number'),
    });
    await sharing.grant(id, [project('123456789012')]);
    expect(await grants(id)).toEqual([project('123456789012')]);
  });
});

describe('the rest of a policy', () => {
  const others = [
    { role: 'roles/compute.admin', members: ['user:boss@acme.com'] },
    { role: 'roles/compute.imageUser', members: ['user:temp@acme.com'], condition },
  ];

  it('stays as it is, conditions included', async () => {
    const id = await image();
    await policy(id, others);
    await sharing.grant(id, [user('ann@acme.com')]);
    const plain = { role: 'roles/compute.imageUser', members: ['user:ann@acme.com'] };
    expect((await policy(id)).bindings).toEqual(expect.arrayContaining([...others, plain]));
    expect(await grants(id)).toEqual([user('ann@acme.com'), user('temp@acme.com')]);
    await sharing.revoke(id, [user('ann@acme.com'), user('temp@acme.com')]);
    expect((await policy(id)).bindings).toEqual(others);
    expect(await grants(id), 'what is under a condition is shown still').toEqual([
      user('temp@acme.com'),
    ]);
  });

  it('is kept when several change it at the same time', async () => {
    const id = await image();
    const people = ['a', 'b', 'c', 'd'].map((name) => user(`${name}@acme.com`));
    await Promise.all(people.map((one) => sharing.grant(id, [one])));
    expect(await grants(id)).toEqual(expect.arrayContaining(people));
    expect(await grants(id)).toHaveLength(people.length);
  });

  it.for([409, 412])('is read again when Google answers %i', async (status) => {
    const id = await image();
    emulator.faults.add({ rpc: 'Images.SetIamPolicy', kind: 'status', status });
    await sharing.grant(id, [user('ann@acme.com')]);
    expect(await grants(id)).toEqual([user('ann@acme.com')]);
  });
});

it('sends nothing that Google would not understand', () => {
  expect(emulator.violations).toEqual([]);
});
