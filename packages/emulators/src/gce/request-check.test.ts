import { readFileSync } from 'node:fs';

import { assert, constantFrom, dictionary, jsonValue, oneof, property } from 'fast-check';
import { describe, expect, it } from 'vitest';

import type { Json } from '../control-plane/json.ts';
import { computeDescription } from './api-description.ts';
import { checkRequest } from './request-check.ts';
import { createRouter } from './router.ts';

const router = createRouter(computeDescription());

function check(method: string, path: string, body?: Json): string[] {
  const url = new URL(path, 'http://emulator');
  const route = router.find(method, url.pathname);
  if (!route) return ['no such method'];
  return checkRequest(route.method, route.parameters, url.searchParams, body).map(
    ({ field, message }) => `${field}: ${message}`,
  );
}

const image = '/compute/v1/projects/p/global/images/i';
const images = '/compute/v1/projects/p/global/images';

describe('the check of requests', () => {
  // Exact requests of @google-cloud/compute 7.8.0, as a server got them.
  const recorded: [call: string, method: string, url: string, body?: Json][] = JSON.parse(
    readFileSync(new URL('../../test/wire-requests.json', import.meta.url), 'utf8'),
  );

  const wrong = /bogus|numeric enum/;
  it.each(recorded.filter(([call]) => !wrong.test(call)))(
    'lets %s pass: %s %s',
    (_, method, url, body) => {
      expect(check(method, url, body === '' ? undefined : body)).toEqual([]);
    },
  );

  it.each(recorded.filter(([call]) => wrong.test(call)))(
    'finds %s: %s %s',
    (_, method, url, body) => {
      expect(check(method, url, body)).toEqual([expect.stringContaining('resource.state')]);
    },
  );

  it('knows paths and methods', () => {
    expect(router.find('GET', `${images}/family/f`)?.method.rpc).toBe('Images.GetFromFamily');
    expect(router.find('GET', image)?.parameters).toEqual({ project: 'p', image: 'i' });
    expect(
      router.find('GET', '/compute/v1/projects/example.com%3Ap/global/images/i'),
    ).toMatchObject({
      parameters: { project: 'example.com:p' },
    });
    expect(router.find('PUT', image)).toBeUndefined();
    // Some paths fit several methods.
    const instance = '/compute/v1/projects/p/zones/z/instances';
    expect(router.find('GET', `${instance}/hosts`)?.method.rpc).toBe('Instances.Get');
    expect(router.find('GET', `${instance}/hosts/getIamPolicy`)?.method.rpc).toBe(
      'Instances.GetIamPolicy',
    );
    expect(router.allowed(image)).toEqual(['DELETE', 'GET', 'PATCH']);
    // Machine images can't be deprecated.
    expect(check('POST', '/compute/v1/projects/p/global/machineImages/m/deprecate')).toEqual([
      'no such method',
    ]);
  });

  it.each([
    ['an unknown field', { name: 'i', rolloutOverride: {} }, 'resource.rolloutOverride: Unknown'],
    ['a field in snake case', { source_disk: 'd' }, 'resource.source_disk: Unknown'],
    ['an unknown field inside', { rawDisk: { url: 'x' } }, 'resource.rawDisk.url: Unknown'],
    ['a word for a number', { diskSizeGb: 'ten' }, 'resource.diskSizeGb: Expected a int64'],
    ['a fraction', { diskSizeGb: 1.5 }, 'resource.diskSizeGb: Expected a int64'],
    ['too large a number', { diskSizeGb: '9223372036854775808' }, 'Expected a int64'],
    ['a negative id', { id: '-1' }, 'resource.id: Expected a uint64'],
    ['a number for a text', { name: 7 }, 'resource.name: Expected a string'],
    ['a text for a truth', { satisfiesPzs: 'yes' }, 'Expected a bool'],
    ['one for many', { licenses: 'l' }, 'resource.licenses: Expected a list'],
    ['a list of labels', { labels: ['a'] }, 'resource.labels: Expected an object'],
    ['a number as a label', { labels: { a: 1 } }, 'resource.labels.a: Expected a string'],
    ['a text for a part', { rawDisk: 'x' }, 'resource.rawDisk: Expected an object (RawDisk)'],
    ['a wrong word', { architecture: 'X86' }, 'not one of ARCHITECTURE_UNSPECIFIED, ARM64, X86_64'],
    ['a wrong word in a list', { guestOsFeatures: [{ type: 'UEFI' }] }, '"UEFI" is not one of'],
    ['a list for a body', [], 'The body is not a JSON object'],
  ])('complains of %s', (_, body, message) => {
    expect(check('POST', images, body)).toEqual([expect.stringContaining(message)]);
  });

  it('takes null, empty words of enumerations, and large numbers', () => {
    expect(
      check('POST', images, {
        family: null,
        architecture: '',
        diskSizeGb: '9223372036854775807',
        guestOsFeatures: [{ type: 'SNP_SVSM_CAPABLE' }, { type: 'TDX_CAPABLE' }],
      }),
    ).toEqual([]);
  });

  it.each([
    ['an unknown parameter', 'GET', `${images}?max=1`, 'has no query parameter "max"'],
    ['a parameter of the path', 'GET', `${image}?image=j`, 'has no query parameter "image"'],
    ['a word for a number', 'GET', `${images}?maxResults=many`, '"many" is not a uint32'],
    ['a negative number', 'GET', `${images}?maxResults=-1`, '"-1" is not a uint32'],
    ['a word for a truth', 'POST', `${images}?forceCreate=1`, '"1" is not a bool'],
    ['a parameter given twice', 'GET', `${images}?filter=a&filter=b`, 'given 2 times'],
  ])('complains of %s', (_, method, path, message) => {
    expect(check(method, path)).toEqual([expect.stringContaining(message)]);
  });

  it('has an answer to whatever is sent', () => {
    const names = ['name', 'labels', 'rawDisk', 'guestOsFeatures', 'diskSizeGb', 'deprecated'];
    const body = oneof(
      jsonValue(),
      dictionary(constantFrom(...names), jsonValue(), { minKeys: 1 }),
    );
    assert(
      property(body, (value) => {
        // What goes over the wire has no negative zero and no undefined.
        const sent: Json = JSON.parse(JSON.stringify(value));
        for (const complaint of check('POST', images, sent)) expect(complaint).toMatch(/^\S.*: ./s);
      }),
      { numRuns: 500 },
    );
  });

  it('complains of a body where none is taken', () => {
    expect(check('GET', image, { name: 'i' })).toEqual([expect.stringContaining('takes no body')]);
  });

  it('knows the values that the description names only in words', () => {
    const group = '/compute/v1/projects/p/zones/z/instanceGroupManagers/g';
    const policy = { type: 'PROACTIVE', minimalAction: 'REFRESH' };
    expect(check('PATCH', group, { updatePolicy: policy })).toEqual([]);
    expect(check('PATCH', group, { updatePolicy: { type: 'EAGER' } })).toEqual([
      expect.stringContaining('not one of OPPORTUNISTIC, PROACTIVE'),
    ]);
  });
});
