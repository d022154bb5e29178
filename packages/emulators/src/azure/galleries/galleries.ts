import { objectOf, objectsOf, textOf, textsOf, type JsonObject } from '../../control-plane/json.ts';
import { listed, type Handler } from '../call.ts';
import { ArmError, invalidParameter } from '../errors.ts';
import { putSimple, removeEmpty } from '../quick-changes.ts';
import { propertiesOf, setProperties } from '../state.ts';

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

/** Shares a gallery with subscriptions and tenants, which it must have been made for, or ends that. */
const share: Handler = (call) => {
  const gallery = call.target();
  const profile = objectOf(propertiesOf(gallery), 'sharingProfile') ?? {};
  if (profile['permissions'] !== 'Groups')
    throw new ArmError(
      409,
      'Conflict',
      `The gallery '${gallery.id}' is not shared by groups: its permissions are '${textOf(profile, 'permissions') ?? 'Private'}'.`,
    );
  const groups = sharedWith(objectsOf(profile, 'groups'), call.body);
  return call.start(
    {
      collection: 'capsOperations',
      location: textOf(gallery.resource, 'location') ?? '',
      finish: () => setProperties(gallery, { sharingProfile: { ...profile, groups } }),
      failed: () => undefined,
      result: () => call.body,
    },
    { status: 202 },
  );
};

/** Whom a gallery is shared with after a change. */
function sharedWith(old: readonly JsonObject[], change: JsonObject): readonly JsonObject[] {
  const operation = textOf(change, 'operationType');
  if (operation === 'Reset') return [];
  const named = objectsOf(change, 'groups');
  return ['Subscriptions', 'AADTenants'].flatMap((type) => {
    const idsOf = (groups: readonly JsonObject[]) =>
      groups.filter((group) => group['type'] === type).flatMap((group) => textsOf(group, 'ids'));
    const gone = operation === 'Remove' ? idsOf(named) : [];
    const all = new Set([...idsOf(old), ...(operation === 'Add' ? idsOf(named) : [])]);
    const ids = [...all].filter((id) => !gone.includes(id));
    return ids.length === 0 ? [] : [{ type, ids }];
  });
}

export const galleries = { get, put, listInGroup, share, remove: removeEmpty('images') } as const;
