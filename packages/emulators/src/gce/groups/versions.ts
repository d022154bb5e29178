import { objectOf, objectsOf, textOf, type JsonObject } from '../../control-plane/json.ts';
import { badRequest, invalid, required } from '../errors.ts';
import type { VersionShare } from './group-model.ts';
import { calculated, readCount, shownCount, type FixedOrPercent } from './update-policy.ts';

/** A version of a group; exactly one has no share: it gets the machines that remain. */
export interface WantedVersion {
  readonly name: string;
  /** The canonical URL of the template. */
  readonly template: string;
  readonly share?: FixedOrPercent | undefined;
}

/**
 * Reads the versions that a request gives a group: `versions`, or the older `instanceTemplate`.
 *
 * @param resolve - finds a template and gives its canonical URL.
 * @returns undefined when the request says nothing about versions.
 * @see https://cloud.google.com/compute/docs/instance-groups/updating-migs#starting_a_canary_update
 */
export function readVersions(
  group: JsonObject,
  resolve: (url: string, field: string) => string,
): readonly WantedVersion[] | undefined {
  const listed = objectsOf(group, 'versions');
  const single = textOf(group, 'instanceTemplate');
  if (listed.length === 0) {
    if (single === undefined) return undefined;
    return [{ name: '', template: resolve(single, 'resource.instanceTemplate') }];
  }
  const versions = listed.map((version, index): WantedVersion => {
    const field = `resource.versions[${index}]`;
    const url = textOf(version, 'instanceTemplate');
    if (url === undefined) throw required(`${field}.instanceTemplate`);
    return {
      name: textOf(version, 'name') ?? '',
      template: resolve(url, `${field}.instanceTemplate`),
      share: readCount(objectOf(version, 'targetSize'), `${field}.targetSize`),
    };
  });
  check(versions);
  return versions;
}

/** How many machines each version gets in a group of a size. */
export function sharesOf(versions: readonly WantedVersion[], size: number): VersionShare[] {
  let left = size;
  const taken = versions.map(({ share }) => {
    if (share === undefined) return undefined;
    const count = Math.min(left, calculated(share, size));
    left -= count;
    return count;
  });
  return versions.map(({ name, template }, index) => {
    return { name, template, count: taken[index] ?? left };
  });
}

/** The versions as the API shows them. */
export function shownVersions(versions: readonly WantedVersion[], size: number): JsonObject[] {
  const shares = sharesOf(versions, size);
  return versions.map(({ name, template, share }, index) => ({
    name: name === '' ? undefined : name,
    instanceTemplate: template,
    targetSize: { ...(share && shownCount(share, size)), calculated: shares[index]?.count },
  }));
}

function check(versions: readonly WantedVersion[]): void {
  const field = 'resource.versions';
  if (versions.length > 2) {
    throw invalid(field, String(versions.length), 'A group has at most two versions.');
  }
  const rest = versions.filter(({ share }) => share === undefined);
  if (rest.length !== 1) {
    throw badRequest(
      `Exactly one version must leave targetSize unset; ${rest.length} of ${versions.length} do.`,
    );
  }
  const keys = versions.map(({ name, template }) => `${name} ${template}`);
  const names = versions.flatMap(({ name }) => (name === '' ? [] : [name]));
  if (new Set(keys).size < keys.length || new Set(names).size < names.length) {
    throw invalid(field, keys.join(', '), 'Every version can appear at most once.');
  }
}
