import { describe, expect, it } from 'vitest';

import type { GlanceImage } from './glance/glance-image.ts';
import { fromDeprecation, fromSource, properties, toImage } from './mapping.ts';

const id = '0d9c1a4e-8a58-4f0c-9d3a-0f4a1f6c2b7d';
const glance = (more: Record<string, unknown> = {}): GlanceImage => ({
  id,
  name: 'web-7',
  status: 'active',
  owner: 'p1',
  size: 3_000_000,
  virtual_size: 4_194_304,
  disk_format: 'qcow2',
  created_at: '2026-11-21T09:00:00Z',
  ...more,
});
const shown = { provider: 'lab' };

describe('an image that somebody else made of a server', () => {
  const ours = {
    'imgkit:label:imgkit-run': 'r1',
    'imgkit:family': 'web',
    'imgkit:published': 'true',
    'imgkit:origin': 'file:disk.raw',
  };

  it.each([
    ['its server', { ...ours, instance_uuid: 's1' }],
    ['another server', { ...ours, instance_uuid: 's2', 'imgkit:origin': 'instance:s1' }],
    [
      'a schedule of the cloud',
      { ...ours, 'org.openstack__1__created-by': 'scheduled-images-service' },
    ],
  ])('has nothing of ours that came with %s', (_, more) => {
    const image = toImage(glance(more), shown);
    expect(image).toMatchObject({ labels: {}, family: undefined, published: false, name: 'web-7' });
    expect(image.native).toMatchObject({ 'imgkit:family': 'web' });
  });

  it('is ours when it says so of its own server', () => {
    const more = { ...ours, instance_uuid: 's1', 'imgkit:origin': 'instance:s1' };
    expect(toImage(glance(more), shown)).toMatchObject({
      labels: { 'imgkit-run': 'r1' },
      family: 'web',
      origin: { kind: 'instance', id: 's1' },
    });
  });
});

describe('an image of Glance', () => {
  it('is shown with what its properties say, and nothing of others’', () => {
    const image = toImage(
      glance({
        'imgkit:label:imgkit-run': 'r1',
        'imgkit:label:empty': '',
        'imgkit:family': 'web',
        'imgkit:version': '7',
        'imgkit:published': 'true',
        'imgkit:published-at': '2026-11-21T09:05:00.000Z',
        'imgkit:origin': 'image:base-1',
        architecture: 'aarch64',
        description: 'A web server.',
        hw_disk_bus: 'virtio',
      }),
      shown,
    );
    expect(image).toMatchObject({
      ref: { provider: 'lab', id },
      name: 'web-7',
      project: 'p1',
      family: 'web',
      version: '7',
      published: true,
      publishedAt: '2026-11-21T09:05:00.000Z',
      status: 'READY',
      deprecation: { state: 'ACTIVE' },
      diskSizeBytes: 4_194_304,
      storedBytes: 3_000_000,
      architecture: 'arm64',
      origin: { kind: 'image', id: 'base-1' },
      description: 'A web server.',
    });
    expect(image.labels).toEqual({ 'imgkit-run': 'r1', empty: '' });
  });

  it.each([
    [{ status: 'queued' }, 'PENDING'],
    [{ status: 'saving' }, 'PENDING'],
    [{ status: 'importing' }, 'PENDING'],
    [{ status: 'queued', os_glance_failed_import: 'local' }, 'FAILED'],
    [{ status: 'active', os_glance_failed_import: '' }, 'READY'],
    [{ status: 'active', 'imgkit:unfinished': 'staged' }, 'PENDING'],
    [{ status: 'deactivated' }, 'READY'],
    [{ status: 'killed' }, 'FAILED'],
    [{ status: 'pending_delete' }, 'DELETING'],
  ])('of %o is %s', (more, status) => {
    expect(toImage(glance(more), shown).status).toBe(status);
  });

  it.each([
    [{ os_hidden: true }, 'DEPRECATED'],
    [{ status: 'deactivated' }, 'OBSOLETE'],
    [{ 'imgkit:state': 'DELETED', status: 'deactivated', os_hidden: true }, 'DELETED'],
    [{ 'imgkit:state': 'DEPRECATED', status: 'deactivated' }, 'OBSOLETE'],
    [{ 'imgkit:state': 'nonsense' }, 'ACTIVE'],
  ])('with %o is %s, whoever did it', (more, state) => {
    expect(toImage(glance(more), shown).deprecation.state).toBe(state);
  });

  it.each([
    [{ virtual_size: null, disk_format: 'raw' }, 3_000_000],
    [{ virtual_size: null, min_disk: 2 }, 2 ** 31],
    [{ virtual_size: null, size: null }, 0],
  ])('with %o has a disk of %d bytes', (more, size) => {
    expect(toImage(glance(more), shown).diskSizeBytes).toBe(size);
  });

  it('keeps a deprecation as it was set, under whatever name its provider has', () => {
    const replacement = { provider: 'lab', id: 'i2' };
    const dates = { obsolete: '2031-01-02T03:04:05Z' };
    const kept = fromDeprecation({ state: 'DEPRECATED', replacement, dates }, 'lab');
    expect(kept[properties.replacement]).toBe('i2');
    expect(toImage(glance(kept), { provider: 'renamed' }).deprecation).toEqual({
      state: 'DEPRECATED',
      replacement: { provider: 'renamed', id: 'i2' },
      dates,
    });
    const other = fromDeprecation(
      { state: 'OBSOLETE', replacement: { provider: 'prod', id: 'projects/a/web' } },
      'lab',
    );
    expect(toImage(glance(other), shown).deprecation.replacement).toEqual({
      provider: 'prod',
      id: 'projects/a/web',
    });
    expect(Object.values(fromDeprecation({ state: 'ACTIVE' }, 'lab'))).toEqual(
      Array.from({ length: 5 }),
    );
  });

  it('names a file it was made of without the secrets of its address', () => {
    const file = 'https://user@store.test/disks/web.qcow2?signature=hidden#x';
    expect(fromSource({ kind: 'file', file })).toBe('file:web.qcow2');
  });
});
