import { textOf, textsOf, type JsonObject } from '../../control-plane/json.ts';
import { selfLink } from '../links.ts';
import { diskType } from '../resources.ts';
import type { Project, Stored } from '../state.ts';

/** Notes that a disk belongs to an instance. */
export function attach(disk: Stored, instance: Stored, at: string): void {
  disk.resource['users'] = [...textsOf(disk.resource, 'users'), selfLink(instance.link)];
  disk.resource['lastAttachTimestamp'] = at;
}

/** Notes that a disk no longer belongs to an instance. */
export function detach(disk: Stored, instance: Stored, at: string): void {
  const others = textsOf(disk.resource, 'users').filter((user) => user !== selfLink(instance.link));
  disk.resource['users'] = others.length > 0 ? others : undefined;
  disk.resource['lastDetachTimestamp'] = at;
}

/** The link of an instance that has a disk, if one has. */
export function userOf(disk: Stored): string | undefined {
  return textsOf(disk.resource, 'users').at(0)?.replace(selfLink(''), '');
}

/** The disk behind an entry of an instance's `disks`. */
export function attachedDisk(project: Project, entry: JsonObject): Stored | undefined {
  const source = textOf(entry, 'source');
  return diskType.all(project).find(({ link }) => selfLink(link) === source);
}
