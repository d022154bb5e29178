import { describe, expect, it } from 'vitest';

import {
  formatId,
  parseIdOf,
  parseResourceId,
  regionOf,
  sameId,
  urlOf,
  zoneOf,
} from './resource-id.ts';

const id = 'projects/acme/global/images/web-1';

describe('an id', () => {
  it.for([
    id,
    `https://www.googleapis.com/compute/v1/${id}`,
    `https://compute.googleapis.com/compute/v1/${id}`,
    `https://compute.googleapis.com/compute/beta/${id}`,
    `http://127.0.0.1:17001/compute/v1/${id}`,
  ])('is read in the form %s', (form) => {
    const parts = { project: 'acme', scope: 'global', collection: 'images', name: 'web-1' };
    expect(parseResourceId(form)).toEqual(parts);
    expect(formatId(parts)).toBe(id);
    expect(sameId(form, id)).toBe(true);
    expect(urlOf(form)).toBe(`https://www.googleapis.com/compute/v1/${id}`);
  });

  it('has a place', () => {
    const disk = parseIdOf('disks', 'projects/acme/zones/us-central1-a/disks/d');
    expect(disk?.scope).toBe('zones/us-central1-a');
    expect(zoneOf(disk?.scope ?? '')).toBe('us-central1-a');
    expect(regionOf(disk?.scope ?? '')).toBe('us-central1');
    expect(regionOf('regions/europe-west1')).toBe('europe-west1');
    expect(zoneOf('global')).toBeUndefined();
    expect(regionOf('global')).toBeUndefined();
  });

  it('takes projects of an organization', () => {
    expect(parseResourceId('projects/example.com:acme/global/images/a')?.project).toBe(
      'example.com:acme',
    );
  });

  it.for([
    '',
    'web-1',
    'projects/acme',
    `${id}/more`,
    'projects//global/images/a',
    'no such image',
  ])('isn’t "%s"', (text) => {
    expect(parseResourceId(text)).toBeUndefined();
  });

  it('isn’t that of another kind, project or name', () => {
    expect(parseIdOf('disks', id)).toBeUndefined();
    for (const other of [
      'projects/acme2/global/images/web-1',
      'projects/acme/global/images/web-10',
    ])
      expect(sameId(id, other)).toBe(false);
    // A project's number may be that of another one: it isn't known to be the same.
    expect(sameId(id, 'projects/123456789/global/images/web-1')).toBe(false);
  });
});
