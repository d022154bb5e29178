import { listed, type Handler } from './call.ts';
import { invalidParameter } from './errors.ts';
import { putSimple, removeEmpty } from './quick-changes.ts';

const get: Handler = (call) => ({ status: 200, body: call.target().resource });

const listInGroup: Handler = (call) =>
  call.page(call.items().map(({ resource }) => listed(resource)));

/** Makes a gallery, or sets all of it anew. */
const put: Handler = (call) => {
  call.parent();
  if (!/^\w[\w.]{0,79}$/.test(call.name))
    throw invalidParameter('galleryName', 'is no name of a gallery');
  return putSimple(call, {
    identifier: { uniqueName: `${call.subscription}-${call.name.toUpperCase()}` },
  });
};

export const galleries = { get, put, listInGroup, remove: removeEmpty('images') } as const;
