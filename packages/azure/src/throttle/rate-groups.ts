/** How many calls of a group Azure allows a subscription: in 3 minutes, and in 30. */
export interface GroupRate {
  readonly per3Minutes: number;
  readonly per30Minutes: number;
}

/**
 * What Azure counts calls of galleries in. No document of Azure says how many it allows: these are the highest that its
 * answers were seen to leave, and one. Other groups become known by the answers.
 */
export const knownRates: Readonly<Record<string, GroupRate>> = {
  CreateUpdateGallery: { per3Minutes: 50, per30Minutes: 300 },
  CreateUpdateGalleryImage: { per3Minutes: 150, per30Minutes: 750 },
  CreateUpdateGalleryImageVersion: { per3Minutes: 375, per30Minutes: 1200 },
  DeleteGalleryImageVersion: { per3Minutes: 150, per30Minutes: 1000 },
  GetGalleryImageVersion: { per3Minutes: 2000, per30Minutes: 10_000 },
  ListGalleryImageVersionsInGalleryImage: { per3Minutes: 1500, per30Minutes: 10_000 },
  PostShareGallery: { per3Minutes: 10, per30Minutes: 60 },
  CreateImages: { per3Minutes: 40, per30Minutes: 199 },
  GetOperationStatus: { per3Minutes: 5000, per30Minutes: 15_000 },
};

const version = 'galleries/images/versions';
/** The groups of some calls, by method and kind, so that the first calls are counted, too. */
const known: Readonly<Record<string, string>> = {
  'PUT galleries': 'CreateUpdateGallery',
  'PATCH galleries': 'CreateUpdateGallery',
  'POST galleries/share': 'PostShareGallery',
  'PUT galleries/images': 'CreateUpdateGalleryImage',
  'PATCH galleries/images': 'CreateUpdateGalleryImage',
  [`PUT ${version}`]: 'CreateUpdateGalleryImageVersion',
  [`PATCH ${version}`]: 'CreateUpdateGalleryImageVersion',
  [`DELETE ${version}`]: 'DeleteGalleryImageVersion',
  [`GET ${version}`]: 'GetGalleryImageVersion',
  [`GET ${version}/`]: 'ListGalleryImageVersionsInGalleryImage',
  'PUT images': 'CreateImages',
  'GET locations/capsOperations': 'GetOperationStatus',
  'GET locations/operations': 'GetOperationStatus',
};

/** The group that Azure counts a kind of call in, where that is known before. */
export function knownGroupOf(kind: string): string | undefined {
  return known[kind];
}

/** What calls of one kind have in common: method and types, as in `PATCH galleries/images/versions`; a list ends with a slash. */
export function kindOf(method: string, path: string): string {
  const [, rest = ''] = path.split(/\/providers\/Microsoft\.Compute\//i);
  const parts = rest.split('/').filter(Boolean);
  const types = parts.filter((_, index) => index % 2 === 0).join('/');
  const open = parts.length % 2 === 1;
  return `${method} ${types}${open && method === 'GET' ? '/' : ''}`;
}

const spans: Readonly<Record<string, number>> = { '3Min': 3 * 60_000, '30Min': 30 * 60_000 };

/** What is left of one group in one span. */
export interface Remaining {
  readonly group: string;
  /** In milliseconds. */
  readonly windowMs: number;
  readonly left: number;
}

/** Reads `x-ms-ratelimit-remaining-resource`: `Microsoft.Compute/PutVM3Min;239,Microsoft.Compute/PutVM30Min;1198`. */
export function readRemaining(header: string | undefined): readonly Remaining[] {
  return (header ?? '').split(',').flatMap((part) => {
    const [, group, span, left] = /^\s*[^/;]+\/(\w+?)(3Min|30Min);(\d+)\s*$/.exec(part) ?? [];
    const windowMs = spans[span ?? ''];
    if (group === undefined || windowMs === undefined) return [];
    return [{ group, windowMs, left: Number(left) }];
  });
}
