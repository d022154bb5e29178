import { objectOf, textOf } from '../../control-plane/json.ts';
import type { Handler } from '../call.ts';
import { resourceNotFound } from '../errors.ts';
import { idKey, parseArmId, parentId } from '../resource-id.ts';
import { propertiesOf, setProperties, type Stored, type World } from '../state.ts';

/** How long what is deleted can be had back, in ms. */
const kept = 7 * 24 * 60 * 60_000;

/** A version that was deleted, and can still be had back. */
export interface SoftDeleted {
  readonly stored: Stored;
  /** When, in ms since 1970. */
  readonly at: number;
}

/** Whether the gallery of a version keeps what is deleted in it for a while. */
function keepsDeleted(world: World, version: Stored): boolean {
  const gallery = world.resources.find(parentId(parentId(version.id)));
  const policy = gallery && objectOf(propertiesOf(gallery), 'softDeletePolicy');
  return policy?.['isSoftDeleteEnabled'] === true;
}

/** Deletes a version; where its gallery says so, in a way that can be undone for a week. */
export function deleteVersion(world: World, version: Stored): void {
  world.resources.remove(version);
  if (!keepsDeleted(world, version)) return;
  const deleted: SoftDeleted = { stored: version, at: world.clock.now() };
  const key = idKey(version.id);
  world.softDeleted.set(key, deleted);
  world.clock.after(kept, () => {
    if (world.softDeleted.get(key) === deleted) world.softDeleted.delete(key);
  });
}

/** What was deleted below some scope, and can still be had back. */
export function deletedBelow(world: World, scope: string): readonly SoftDeleted[] {
  const start = `${idKey(scope)}/`;
  return [...world.softDeleted.values()].filter(({ stored }) => idKey(stored.id).startsWith(start));
}

/** Brings a deleted version back, as it was. */
export const restore: Handler = (call) => {
  const { world } = call;
  const deleted = world.softDeleted.get(idKey(call.id));
  if (deleted === undefined) {
    const { type = '', names = [], resourceGroup = '' } = parseArmId(call.id) ?? {};
    throw resourceNotFound(type, names, resourceGroup);
  }
  const { stored } = deleted;
  world.softDeleted.delete(idKey(call.id));
  world.resources.add(stored);
  setProperties(stored, { provisioningState: 'Updating' });
  return call.start(
    {
      collection: 'capsOperations',
      location: textOf(stored.resource, 'location') ?? '',
      finish: () => setProperties(stored, { provisioningState: 'Succeeded' }),
      failed() {
        world.resources.remove(stored);
        world.softDeleted.set(idKey(call.id), deleted);
      },
      result: () => stored.resource,
    },
    { status: 200, body: { ...stored.resource } },
  );
};

/** Lists what was deleted of a definition, and can still be had back. */
export const listDeleted: Handler = (call) => {
  const [, gallery = '', definition = ''] =
    /^(.+)\/softdeletedartifacttypes\/images\/artifacts\/([^/]+)\/versions$/i.exec(call.id) ?? [];
  const found = deletedBelow(call.world, `${gallery}/images/${definition}`);
  return call.page(
    found.map(({ stored: { id, resource }, at }) => ({
      id: call.id,
      name: resource['name'],
      location: resource['location'],
      type: 'Microsoft.Compute/galleries/softdeletedartifacttypes/artifacts/versions',
      properties: {
        resourceArmId: id,
        softDeletedArtifactType: 'Images',
        softDeletedTime: new Date(at).toISOString(),
      },
    })),
  );
};
