import { z } from 'zod';

const version = z.looseObject({
  id: z.string(),
  status: z.string().optional(),
  version: z.string().optional(),
  min_version: z.string().optional(),
  links: z.array(z.looseObject({ rel: z.string(), href: z.string() })).optional(),
});

const document = z.union([
  z.object({ versions: z.object({ values: z.array(version) }) }),
  z.object({ versions: z.array(version) }),
  z.object({ version }),
]);

/** A version of a service's interface: `[2, 15]`. */
export type Version = readonly [major: number, minor: number];

/** One version that a service says it speaks. */
export interface OfferedVersion {
  readonly version: Version;
  /** The microversions it understands; none where it knows none. */
  readonly microversions?: { readonly least: Version; readonly most: Version } | undefined;
}

/** What a service says of its versions, in any of the forms that services use; empty for anything else. */
export function readVersions(content: unknown): readonly OfferedVersion[] {
  const parsed = document.safeParse(content);
  if (!parsed.success) return [];
  const { data } = parsed;
  const all =
    'version' in data
      ? [data.version]
      : Array.isArray(data.versions)
        ? data.versions
        : data.versions.values;
  return all.flatMap((one) => {
    const number = parseVersion(one.id);
    if (number === undefined) return [];
    const least = parseVersion(one.min_version ?? '');
    const most = parseVersion(one.version ?? '');
    const microversions = least && most ? { least, most } : undefined;
    return [{ version: number, microversions }];
  });
}

/** Reads `v2.15` and `2.15`. */
function parseVersion(text: string): Version | undefined {
  const match = /^v?(\d+)(?:\.(\d+))?$/.exec(text);
  return match === null ? undefined : [Number(match[1]), Number(match[2] ?? 0)];
}

/** Whether `version` is `least` or later, of the same major version. */
export function isAtLeast([major, minor]: Version, least: Version): boolean {
  return major === least[0] && minor >= least[1];
}

/** The address without its version and what follows, where services describe themselves. */
export function serviceRoot(url: string): string {
  return url.replace(/\/v\d+(?:\.\d+)?(?:\/[^/]*)?\/*$/, '').replace(/\/+$/, '');
}

/** Whether an address names a version. */
export function hasVersion(url: string): boolean {
  return /\/v\d+(?:\.\d+)?(?:\/[^/]*)?\/*$/.test(url);
}
