import { ImgkitError, type CallOptions } from '@imgkit/core';

import type { CloudContext } from '../resources/context.ts';
import { invalid } from '../resources/rules.ts';

const uuid = /^[\da-f]{8}-(?:[\da-f]{4}-){3}[\da-f]{12}$/i;

/**
 * The id of a network that is named by its id or its name.
 *
 * @throws `INVALID_ARGUMENT` if there is none of the name, or several.
 */
export async function networkId(
  context: CloudContext,
  wanted: string,
  options: CallOptions,
): Promise<string> {
  return uuid.test(wanted) ? wanted : named(context, wanted, {}, options);
}

/** The id of a network that floating addresses are taken out of. */
export async function externalNetwork(
  context: CloudContext,
  wanted: string,
  options: CallOptions,
): Promise<string> {
  if (uuid.test(wanted)) return wanted;
  return named(context, wanted, { 'router:external': 'true' }, options);
}

async function named(
  context: CloudContext,
  name: string,
  filter: Readonly<Record<string, string>>,
  options: CallOptions,
): Promise<string> {
  if (!(await context.offers('network', options)))
    throw new ImgkitError('UNSUPPORTED', 'this cloud has no service that knows networks by name', {
      hint: 'Name the network by its id.',
    });
  const found = await context.neutron.networks({ name, ...filter }, options);
  const [first, second] = found;
  if (first !== undefined && second === undefined) return first.id;
  if (first !== undefined)
    throw invalid(
      `there are ${found.length} networks "${name}"`,
      `Name the one that is meant by its id: ${found.map(({ id }) => id).join(', ')}.`,
    );
  const all = await context.neutron.networks(filter, options);
  const names = all.map((one) => one.name).join(', ');
  throw invalid(`there is no network "${name}"`, `There are ${names || 'none'}.`);
}
