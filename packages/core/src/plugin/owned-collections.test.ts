import { describe, expect, it } from 'vitest';
import { ownedResources, type OwnedCollection, type OwnedItem } from './owned-collections.ts';

function collection(...items: readonly OwnedItem[]): OwnedCollection & { deleted: string[] } {
  const deleted: string[] = [];
  return {
    deleted,
    async *list({ labels }) {
      for (const item of items) if (item.labels['run'] === labels['run']) yield item;
    },
    async delete(id) {
      deleted.push(id);
    },
  };
}

const rest = { createdAt: '2026-11-21T00:00:00Z', labels: { run: '1' } };
const image = { ref: { provider: 'prod', id: 'images/a' }, name: 'a', ...rest };
const disk = { id: 'disks/b', name: 'b', ...rest };

describe('ownedResources', () => {
  it('lists by labels, in the order of removal, whatever the ids are kept in', async () => {
    const other = { ...disk, id: 'disks/c', labels: { run: '2' } };
    const owned = ownedResources('prod', {
      image: collection(image),
      disk: collection(disk, other),
    });
    const found = [];
    for await (const one of owned.list({ run: '1' })) found.push(one);
    expect(found).toEqual([
      { kind: 'disk', ...disk },
      { kind: 'image', id: 'images/a', name: 'a', ...rest },
    ]);
  });

  it('deletes where the kind is held, and names the kinds there are', async () => {
    const images = collection(image);
    const owned = ownedResources('prod', { image: images });
    await owned.delete('image', 'images/a');
    expect(images.deleted).toEqual(['images/a']);
    await expect(owned.delete('disk', 'disks/b')).rejects.toMatchObject({
      code: 'INVALID_ARGUMENT',
      provider: 'prod',
      resource: 'disks/b',
      hint: 'The kinds are image.',
    });
  });
});
