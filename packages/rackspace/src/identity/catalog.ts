import { ImgkitError } from '@imgkit/core';

import type { Interface } from '../configuration/cloud-settings.ts';

/** One address of a service. */
export interface CatalogEndpoint {
  readonly type: string;
  readonly name: string | undefined;
  readonly region: string | undefined;
  readonly interface: string;
  readonly url: string;
}

/** What is looked for. */
export interface EndpointQuery {
  readonly type: string;
  /** The service's name, where several have the type. */
  readonly name?: string | undefined;
  readonly region?: string | undefined;
  readonly interface: Interface;
}

/** Types that services also have in catalogues. https://service-types.openstack.org */
const aliases: Readonly<Record<string, readonly string[]>> = {
  'block-storage': ['volumev3', 'block-store'],
};

/** The addresses of the services of a type, in a region if one is named. */
export function endpointsOf(
  catalog: readonly CatalogEndpoint[],
  type: string,
  region?: string,
): readonly CatalogEndpoint[] {
  const types = [type, ...(aliases[type] ?? [])];
  const found = types.map((name) => catalog.filter((one) => one.type === name));
  const endpoints = found.find((some) => some.length > 0) ?? [];
  return region === undefined ? endpoints : endpoints.filter((one) => isRegion(one, region));
}

/**
 * Finds the address of a service.
 *
 * @throws {@link ImgkitError} with `FAILED_PRECONDITION` and what the catalogue has if there is none, or there are
 *   several regions and none was said.
 */
export function findEndpoint(catalog: readonly CatalogEndpoint[], query: EndpointQuery): string {
  const { type, name, region } = query;
  const ofType = endpointsOf(catalog, type);
  const named = name === undefined ? ofType : ofType.filter((one) => one.name === name);
  const there = named.filter((one) => one.interface === query.interface);
  const here = region === undefined ? there : there.filter((one) => isRegion(one, region));
  const wanted = [`${type} service`, name && `"${name}"`, region && `in region ${region}`]
    .filter(Boolean)
    .join(' ');
  const [first] = here;
  if (first === undefined) {
    throw new ImgkitError(
      'FAILED_PRECONDITION',
      `the catalogue has no ${query.interface} address of a ${wanted}`,
      { resource: type, hint: `It has ${describe(catalog)}.` },
    );
  }
  const regions = [...new Set(here.map((one) => one.region))];
  if (regions.length > 1) {
    throw new ImgkitError('FAILED_PRECONDITION', `the ${wanted} is in several regions`, {
      resource: type,
      hint: `Say in which of them you work: ${regions.join(', ')}.`,
    });
  }
  return first.url.replace(/\/+$/, '');
}

/** Rackspace writes `DFW`, and its users `dfw`. */
function isRegion({ region }: CatalogEndpoint, wanted: string): boolean {
  return region?.toLowerCase() === wanted.toLowerCase();
}

function describe(catalog: readonly CatalogEndpoint[]): string {
  const all = catalog.map(({ type, name, region, interface: face }) =>
    [type, name && `(${name})`, face, region && `in ${region}`].filter(Boolean).join(' '),
  );
  return all.length === 0 ? 'nothing' : [...new Set(all)].toSorted().join('; ');
}
