import { objectOf, objectsOf, textOf, textsOf, type JsonObject } from '../../control-plane/json.ts';
import type { Call, Handler } from '../call.ts';
import { ArmError, conflict, invalidParameter, propertyChange } from '../errors.ts';
import { displayName } from '../regions.ts';
import { propertiesOf, setProperties, type Stored } from '../state.ts';
import { regionsOf } from './replication.ts';

/** With how many a gallery can be shared directly. */
const most = { Subscriptions: 30, AADTenants: 5 } as const;

function profileOf(gallery: Stored): JsonObject {
  return objectOf(propertiesOf(gallery), 'sharingProfile') ?? {};
}

function permissionsOf(profile: JsonObject | undefined): string {
  return textOf(profile, 'permissions') ?? 'Private';
}

/** A gallery as it is shown: with whom it is shared only to those who ask for that. */
export function shownGallery(gallery: Stored, expand: string | null): JsonObject {
  if (expand?.toLowerCase() === 'sharingprofile/groups') return gallery.resource;
  const { groups: _, ...sharingProfile } = profileOf(gallery);
  const properties = propertiesOf(gallery);
  return { ...gallery.resource, properties: { ...properties, sharingProfile } };
}

/**
 * How a gallery that is set anew is shared: as it was. How it can be shared is decided when it is made.
 *
 * @throws ArmError for a gallery for everybody that doesn't say whose it is.
 */
export function sharingOf(standing: Stored | undefined, wanted: JsonObject = {}): JsonObject {
  if (permissionsOf(wanted) === 'Community') requireInfo(wanted);
  if (standing === undefined) return { permissions: 'Private', ...wanted };
  const old = profileOf(standing);
  if (wanted['permissions'] !== undefined && permissionsOf(wanted) !== permissionsOf(old))
    throw propertyChange('gallery.properties.sharingProfile.permissions');
  const info = objectOf(old, 'communityGalleryInfo');
  const change = objectOf(wanted, 'communityGalleryInfo');
  return {
    ...old,
    ...(info || change ? { communityGalleryInfo: { ...info, ...change } } : {}),
  };
}

function requireInfo(profile: JsonObject): void {
  const info = objectOf(profile, 'communityGalleryInfo');
  for (const name of ['publisherUri', 'publisherContact', 'eula', 'publicNamePrefix'])
    if (textOf(info, name) === undefined)
      throw invalidParameter(
        `gallery.properties.sharingProfile.communityGalleryInfo.${name}`,
        'It is required of a community gallery.',
      );
}

/** Refuses the deletion of what is still shared. */
export function requireUnshared(gallery: Stored): void {
  const profile = profileOf(gallery);
  const open = objectOf(profile, 'communityGalleryInfo')?.['communityGalleryEnabled'] === true;
  if (open || objectsOf(profile, 'groups').length > 0)
    throw conflict(
      `The gallery '${gallery.id}' is shared. Reset its sharing before deleting this resource.`,
    );
}

/** Shares a gallery in the way that it was made for, or ends that. */
export const share: Handler = (call) => {
  const gallery = call.target();
  const operation = textOf(call.body, 'operationType') ?? '';
  const profile = profileOf(gallery);
  const permissions = permissionsOf(profile);
  const fits: Readonly<Record<string, readonly string[]>> = {
    Groups: ['Add', 'Remove', 'Reset'],
    Community: ['EnableCommunity', 'Reset'],
  };
  if (fits[permissions]?.includes(operation) !== true)
    throw new ArmError(
      409,
      'Conflict',
      `The sharing operation '${operation}' is not possible on the gallery '${gallery.id}', whose permissions are '${permissions}'.`,
    );
  if (textOf(objectOf(propertiesOf(gallery), 'sharingStatus'), 'aggregatedState') === 'InProgress')
    throw conflict(`Another change of the sharing of '${gallery.id}' is going on.`);
  const changed = permissions === 'Groups' ? withGroups(call, gallery) : opened(call, gallery);
  const location = textOf(gallery.resource, 'location') ?? '';
  const status = (state: string): JsonObject => ({
    aggregatedState: state,
    summary: [{ region: displayName(location), state, details: '' }],
  });
  setProperties(gallery, { sharingStatus: status('InProgress') });
  return call.start(
    {
      collection: 'capsOperations',
      location,
      finish: () =>
        setProperties(gallery, { sharingProfile: changed, sharingStatus: status('Succeeded') }),
      failed: () => setProperties(gallery, { sharingStatus: status('Failed') }),
      result: () => call.body,
    },
    { status: 202 },
  );
};

function opened(call: Call, gallery: Stored): JsonObject {
  const profile = profileOf(gallery);
  const info = objectOf(profile, 'communityGalleryInfo') ?? {};
  const open = textOf(call.body, 'operationType') === 'EnableCommunity';
  const [known] = textsOf(info, 'publicNames');
  const name = known ?? `${textOf(info, 'publicNamePrefix') ?? ''}-${call.world.nextGuid()}`;
  return {
    ...profile,
    communityGalleryInfo: { ...info, communityGalleryEnabled: open, publicNames: [name] },
  };
}

function withGroups(call: Call, gallery: Stored): JsonObject {
  const operation = textOf(call.body, 'operationType');
  const profile = profileOf(gallery);
  if (operation === 'Reset') return { ...profile, groups: [] };
  if (operation === 'Add') requirePlain(call, gallery);
  const groups = sharedWith(objectsOf(profile, 'groups'), call.body);
  for (const [type, limit] of Object.entries(most)) {
    const count = groups.find((group) => group['type'] === type)?.['ids'];
    if (Array.isArray(count) && count.length > limit)
      throw invalidParameter(
        'sharingUpdate.groups',
        `A gallery can be shared with at most ${limit} ${type}.`,
      );
  }
  return { ...profile, groups };
}

/** What is encrypted with a customer's key can't be read by others. */
function requirePlain(call: Call, gallery: Stored): void {
  const encrypted = call.world.resources
    .ofType('Microsoft.Compute/galleries/images/versions')
    .filter(({ id }) => id.toLowerCase().startsWith(`${gallery.id.toLowerCase()}/`))
    .find((version) => regionsOf(version).some((region) => region['encryption'] !== undefined));
  if (encrypted !== undefined)
    throw conflict(`The gallery holds the encrypted version '${encrypted.id}'.`);
}

/** Whom a gallery is shared with after a change. */
function sharedWith(old: readonly JsonObject[], change: JsonObject): readonly JsonObject[] {
  const operation = textOf(change, 'operationType');
  const named = objectsOf(change, 'groups');
  return Object.keys(most).flatMap((type) => {
    const idsOf = (groups: readonly JsonObject[]) =>
      groups
        .filter((group) => group['type'] === type)
        .flatMap((group) => textsOf(group, 'ids').map((id) => id.toLowerCase()));
    const gone = operation === 'Remove' ? idsOf(named) : [];
    const all = new Set([...idsOf(old), ...(operation === 'Add' ? idsOf(named) : [])]);
    const ids = [...all].filter((id) => !gone.includes(id));
    return ids.length === 0 ? [] : [{ type, ids }];
  });
}
