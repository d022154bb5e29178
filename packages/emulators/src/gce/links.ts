import { invalid } from './errors.ts';
import type { Location } from './locations.ts';

/** Where Google says that its resources are, whatever server answers. */
const googleBase = 'https://www.googleapis.com/compute/v1/';

/** `projects/p/global/images/i` as an absolute URL. */
export function selfLink(link: string): string {
  return googleBase + link;
}

/** What a reference to a resource says. */
export interface Reference {
  readonly project: string;
  readonly location: Location;
  /** `images`, `disks`. */
  readonly collection: string;
  readonly name: string;
  /** Whether it names a family (`images/family/f`) and not an image. */
  readonly family: boolean;
}

/** What fills the gaps of a partial reference. */
export interface ReferenceDefaults {
  readonly project: string;
  readonly location: Location;
  /** The collection that a bare name is in. */
  readonly collection: string;
}

/**
 * Reads a reference in any form that Google takes: an absolute URL, also of this server, `projects/…`,
 * `global/images/i`, `zones/z/disks/d`, `images/i`, or a bare name.
 *
 * @param field - the field it is from, for the refusal.
 */
export function readReference(field: string, text: string, defaults: ReferenceDefaults): Reference {
  const path = text
    .replace(/^https?:\/\/[^/]+\//, '')
    .replace(/^\/\/compute\.googleapis\.com\//, '')
    .replace(/^\/*(compute\/(v1|beta|alpha)\/)?/, '');
  const parts = path.split('/');
  const project = parts[0] === 'projects' ? (parts.splice(0, 2)[1] ?? '') : defaults.project;
  let location = defaults.location;
  if (parts[0] === 'global') location = parts.shift() ?? location;
  else if (parts[0] === 'zones' || parts[0] === 'regions') location = parts.splice(0, 2).join('/');

  const collection = parts.length > 1 ? (parts.shift() ?? '') : defaults.collection;
  const family = collection === 'images' && parts.length === 2 && parts[0] === 'family';
  const name = parts.at(-1) ?? '';
  const whole = parts.length === (family ? 2 : 1) && [project, name].every((part) => part !== '');
  if (!whole || collection !== defaults.collection) {
    throw invalid(field, text, 'The URL is malformed.');
  }
  return { project, location, collection, name, family };
}
