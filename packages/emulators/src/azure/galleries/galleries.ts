import { objectOf } from '../../control-plane/json.ts';
import { listed, type Handler } from '../call.ts';
import { invalidParameter } from '../errors.ts';
import { patchSimple, putSimple, removeEmpty } from '../quick-changes.ts';
import { share, sharingOf, requireUnshared, shownGallery } from './sharing.ts';

const get: Handler = (call) => ({
  status: 200,
  body: shownGallery(call.target(), call.parts.search.get('$expand')),
});

const listInGroup: Handler = (call) =>
  call.page(call.items().map((stored) => listed(shownGallery(stored, null))));

/** Makes a gallery, or sets all of it anew. */
const put: Handler = (call) => {
  call.parent();
  if (!/^\w[\w.]{0,79}$/.test(call.name))
    throw invalidParameter('galleryName', 'is no name of a gallery');
  const wanted = objectOf(objectOf(call.body, 'properties'), 'sharingProfile');
  return putSimple(call, {
    identifier: { uniqueName: `${call.subscription}-${call.name.toUpperCase()}` },
    sharingProfile: sharingOf(call.world.resources.find(call.id), wanted),
  });
};

const patch: Handler = (call) => {
  const found = call.target();
  sharingOf(found, objectOf(objectOf(call.body, 'properties'), 'sharingProfile'));
  return patchSimple(call, found);
};

const removeUnused = removeEmpty('images');
const remove: Handler = (call) => {
  const found = call.world.resources.find(call.id);
  if (found !== undefined) requireUnshared(found);
  return removeUnused(call);
};

export const galleries = { get, put, patch, listInGroup, share, remove } as const;
