import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';

import { formatImageId, imageReferenceOf, parseImageId, sameImageId } from './image-id.ts';

const group = '/subscriptions/0f1e/resourceGroups/Images/providers/Microsoft.Compute';
const name = fc.stringMatching(/^[A-Za-z0-9][A-Za-z0-9._-]{0,12}$/);
/** Ids of every kind of image. */
const ids = fc.oneof(
  fc.tuple(name, name).map(([a, b]) => `${group}/galleries/${a}/images/${b}/versions/1.0.0`),
  name.map((a) => `${group}/images/${a}`),
  fc
    .tuple(fc.constantFrom('shared', 'community'), name, name)
    .map(([kind, a, b]) => `/${kind}Galleries/${a}/images/${b}/versions/1.0.0`),
  fc.tuple(name, name, name).map((parts) => [...parts, '1.0.0'].join(':')),
);
/** A text with each letter in a case of its own. */
const recased = (text: string) =>
  fc.array(fc.boolean(), { minLength: text.length, maxLength: text.length }).map((upper) =>
    Array.from(text)
      .map((letter, at) => (upper[at] ? letter.toUpperCase() : letter.toLowerCase()))
      .join(''),
  );

describe('the id of an image', () => {
  it('is the same in every case, and another than any other', () => {
    const pairs = ids.chain((id) => fc.tuple(fc.constant(id), recased(id), ids));
    fc.assert(
      fc.property(pairs, ([id, other, third]) => {
        expect(sameImageId(id, other)).toBe(true);
        expect(sameImageId(id, third)).toBe(id.toLowerCase() === third.toLowerCase());
        expect(parseImageId(other)?.kind).toBe(parseImageId(id)?.kind);
      }),
    );
  });

  it('is given back as it was read', () => {
    fc.assert(
      fc.property(ids, (id) => {
        const found = parseImageId(id);
        expect(found && formatImageId(found)).toBe(id);
      }),
    );
  });

  it('of the marketplace may be its ARM id, too', () => {
    const path =
      '/Subscriptions/0f1e/Providers/Microsoft.Compute/Locations/westeurope/Publishers/Debian/ArtifactTypes/VMImage/Offers/debian-12/Skus/12-gen2/Versions/0.2026.1';
    expect(sameImageId(path, 'debian:debian-12:12-gen2:0.2026.1')).toBe(true);
  });

  it('names the latest version where it names none', () => {
    expect(parseImageId('/CommunityGalleries/acme-1/Images/web')).toMatchObject({
      kind: 'community',
      version: 'latest',
    });
  });

  it('is what machines are made of, as each kind wants it', () => {
    expect(imageReferenceOf(`${group}/images/base`)).toEqual({ id: `${group}/images/base` });
    const shared = '/sharedGalleries/acme/images/web/versions/1.0.0';
    expect(imageReferenceOf(shared)).toEqual({ sharedGalleryImageId: shared });
    const community = '/communityGalleries/acme/images/web/versions/1.0.0';
    expect(imageReferenceOf(community)).toEqual({ communityGalleryImageId: community });
    expect(imageReferenceOf('debian:debian-12:12:latest')).toEqual({
      publisher: 'debian',
      offer: 'debian-12',
      sku: '12',
      version: 'latest',
    });
    expect(() => imageReferenceOf('web')).toThrow('not the id of an image');
  });
});
