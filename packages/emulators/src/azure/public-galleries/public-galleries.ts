import { objectOf, objectsOf, textOf, textsOf, type JsonObject } from '../../control-plane/json.ts';
import type { Call, Handler } from '../call.ts';
import { notFound } from '../errors.ts';
import { regionNames, regionsOf } from '../galleries/replication.ts';
import { displayName, regionName } from '../regions.ts';
import { idKey } from '../resource-id.ts';
import { propertiesOf, stateOf, type Stored, type World } from '../state.ts';

/** How a gallery is known to those who don't own it. */
type Kind = 'shared' | 'community';

const path =
  /^\/subscriptions\/([^/]+)\/providers\/Microsoft\.Compute\/locations\/([^/]+)\/(shared|community)Galleries(?:\/(.+))?$/i;

/** What a path asks for, and for whom. */
interface Asked {
  readonly kind: Kind;
  readonly subscription: string;
  readonly location: string;
  /** The gallery's name, then `images`, and so on. */
  readonly rest: readonly string[];
  readonly tenantWide: boolean;
}

function asked(call: Call): Asked {
  const [, subscription = '', location = '', word = '', rest = ''] = path.exec(call.id) ?? [];
  return {
    kind: word.toLowerCase() === 'shared' ? 'shared' : 'community',
    subscription,
    location: regionName(location),
    rest: rest === '' ? [] : rest.split('/'),
    tenantWide: call.parts.search.get('sharedTo') === 'tenant',
  };
}

function profileOf(gallery: Stored): JsonObject {
  return objectOf(propertiesOf(gallery), 'sharingProfile') ?? {};
}

/** The names that a gallery has for others. */
function namesOf(kind: Kind, gallery: Stored): readonly string[] {
  if (kind === 'community') {
    const info = objectOf(profileOf(gallery), 'communityGalleryInfo');
    return info?.['communityGalleryEnabled'] === true ? textsOf(info, 'publicNames') : [];
  }
  const name = textOf(objectOf(propertiesOf(gallery), 'identifier'), 'uniqueName');
  return name === undefined ? [] : [name];
}

/** Whether a subscription may use a gallery without a role in it. */
function isOpenTo(world: World, kind: Kind, gallery: Stored, subscription: string): boolean {
  if (kind === 'community') return namesOf(kind, gallery).length > 0;
  const groups = objectsOf(profileOf(gallery), 'groups');
  const mine = { Subscriptions: subscription, AADTenants: world.tenant };
  return groups.some((group) =>
    textsOf(group, 'ids').some((id) =>
      Object.entries(mine).some(
        ([type, own]) => group['type'] === type && idKey(own) === idKey(id),
      ),
    ),
  );
}

function findGallery(world: World, kind: Kind, subscription: string, name: string): Stored {
  const found = world.resources
    .ofType('Microsoft.Compute/galleries')
    .find((one) => namesOf(kind, one).some((own) => idKey(own) === idKey(name)));
  // To those who may not see it, it isn't there.
  if (found !== undefined && isOpenTo(world, kind, found, subscription)) return found;
  throw notFound(`/${kind}Galleries/${name}`);
}

const publicId =
  /^\/(shared|community)Galleries\/([^/]+)\/images\/([^/]+)(?:\/versions\/([^/]+))?$/i;

/**
 * A version that something is made of, by its id for those who don't own it; the latest where it names none.
 *
 * @returns nothing for an id of another form.
 */
export function publicSource(
  world: World,
  subscription: string,
  id: string,
  location: string,
): Stored | undefined {
  const [, word, gallery = '', definition = '', number = 'latest'] = publicId.exec(id) ?? [];
  if (word === undefined) return undefined;
  const kind: Kind = word.toLowerCase() === 'shared' ? 'shared' : 'community';
  const { id: parent } = findGallery(world, kind, subscription, gallery);
  const all = versionsIn(world, `${parent}/images/${definition}`, location);
  const found =
    number.toLowerCase() === 'latest'
      ? all.findLast((one) => !isExcluded(one, location))
      : all.find((one) => idKey(one.id).endsWith(`/${number.toLowerCase()}`));
  if (found === undefined) throw notFound(id);
  return found;
}

/** The versions of a definition that are in a region, the highest last. */
function versionsIn(world: World, definition: string, location: string): readonly Stored[] {
  return world.resources
    .below(`${definition}/versions/`)
    .filter((one) => stateOf(one) === 'Succeeded' && regionNames(regionsOf(one)).includes(location))
    .toSorted((a, b) => numeric.compare(a.id, b.id));
}

const numeric = new Intl.Collator('en', { numeric: true });

function isExcluded(version: Stored, location: string): boolean {
  const profile = objectOf(propertiesOf(version), 'publishingProfile');
  const region = regionsOf(version).find(
    (one) => regionName(textOf(one, 'name') ?? '') === location,
  );
  return profile?.['excludeFromLatest'] === true || region?.['excludeFromLatest'] === true;
}

/** What others see of a gallery, a definition or a version. */
function shown({ kind, location }: Asked, names: readonly string[], stored: Stored): JsonObject {
  const properties = propertiesOf(stored);
  const [gallery, definition, version] = names;
  const parts = [definition && `/Images/${definition}`, version && `/Versions/${version}`];
  const place = kind === 'shared' ? 'SharedGalleries' : 'CommunityGalleries';
  const uniqueId = `/${place}/${gallery}${parts.filter(Boolean).join('')}`;
  const head = {
    name: names.at(-1) ?? '',
    location: displayName(location),
    identifier: { uniqueId },
  };
  const artifactTags = objectOf(stored.resource, 'tags') ?? {};
  if (version !== undefined) {
    const { publishedDate, endOfLifeDate } = objectOf(properties, 'publishingProfile') ?? {};
    const disk = objectOf(objectOf(properties, 'storageProfile'), 'osDiskImage');
    const osDiskImage = { diskSizeGB: disk?.['sizeInGB'], hostCaching: 'ReadWrite' };
    const excludeFromLatest = isExcluded(stored, location);
    const storageProfile = { osDiskImage };
    return {
      ...head,
      properties: { publishedDate, endOfLifeDate, excludeFromLatest, storageProfile, artifactTags },
    };
  }
  if (definition === undefined) return { ...head, properties: { artifactTags } };
  const { provisioningState: _, ...rest } = properties;
  return { ...head, properties: { ...rest, artifactTags } };
}

const get: Handler = (call) => {
  const all = asked(call);
  const [gallery = '', , definition, , version] = all.rest;
  const found = findGallery(call.world, all.kind, all.subscription, gallery);
  const names = [gallery, definition, version].filter((name) => name !== undefined);
  if (definition === undefined) return { status: 200, body: shown(all, names, found) };
  const id = `${found.id}/images/${definition}`;
  const stored =
    version === undefined
      ? call.world.resources.find(id)
      : versionsIn(call.world, id, all.location).find(
          (one) => idKey(one.id) === idKey(`${id}/versions/${version}`),
        );
  if (stored === undefined) throw notFound(call.id);
  return { status: 200, body: shown(all, names, stored) };
};

const list: Handler = (call) => {
  const all = asked(call);
  const { kind, subscription, location, rest, tenantWide } = all;
  const [gallery, , definition] = rest;
  if (gallery === undefined) {
    const type = tenantWide ? 'AADTenants' : 'Subscriptions';
    const open = call.world.resources
      .ofType('Microsoft.Compute/galleries')
      .filter(
        (one) =>
          isOpenTo(call.world, kind, one, subscription) &&
          objectsOf(profileOf(one), 'groups').some((group) => group['type'] === type),
      );
    return call.page(open.map((one) => shown(all, [namesOf(kind, one)[0] ?? ''], one)));
  }
  const { id } = findGallery(call.world, kind, subscription, gallery);
  const stored =
    definition === undefined
      ? call.world.resources.below(`${id}/images/`)
      : versionsIn(call.world, `${id}/images/${definition}`, location);
  const above = definition === undefined ? [gallery] : [gallery, definition];
  return call.page(
    stored.map((one) => shown(all, [...above, one.id.split('/').at(-1) ?? ''], one)),
  );
};

export const publicGalleries = { get, list } as const;
