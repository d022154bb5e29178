import { objectOf, textOf, type Json, type JsonObject } from '../../control-plane/json.ts';
import { badRequest, invalid } from '../errors.ts';
import { disruptions, type Disruption } from './group-model.ts';

/** A number of machines, or a part of the group. */
export type FixedOrPercent = { readonly fixed: number } | { readonly percent: number };

/** How a group brings its machines to their versions. */
export interface UpdatePolicy {
  readonly type: 'PROACTIVE' | 'OPPORTUNISTIC';
  readonly minimalAction: Disruption;
  readonly mostDisruptiveAllowedAction: Disruption;
  readonly replacementMethod: 'SUBSTITUTE' | 'RECREATE';
  readonly maxSurge: FixedOrPercent;
  readonly maxUnavailable: FixedOrPercent;
  readonly instanceRedistributionType: 'PROACTIVE' | 'NONE';
}

/** Where and how large the group is. */
export interface GroupShape {
  readonly size: number;
  readonly zones: readonly string[];
  readonly regional: boolean;
}

/** From how many machines on a bound may be a part of the group. */
const leastForPercent = 10;

/**
 * Reads an update policy; what it doesn't say is as `before`, or Google's default.
 *
 * @see https://cloud.google.com/compute/docs/reference/rest/v1/instanceGroupManagers
 */
export function readUpdatePolicy(
  policy: JsonObject | undefined,
  shape: GroupShape,
  before?: UpdatePolicy,
): UpdatePolicy {
  const usual = { fixed: shape.regional ? shape.zones.length : 1 };
  const read: UpdatePolicy = {
    type: oneOf(policy, 'type', ['PROACTIVE', 'OPPORTUNISTIC'], before?.type ?? 'OPPORTUNISTIC'),
    minimalAction: oneOf(policy, 'minimalAction', disruptions, before?.minimalAction ?? 'REPLACE'),
    mostDisruptiveAllowedAction: oneOf(
      policy,
      'mostDisruptiveAllowedAction',
      disruptions,
      before?.mostDisruptiveAllowedAction ?? 'REPLACE',
    ),
    replacementMethod: oneOf(
      policy,
      'replacementMethod',
      ['SUBSTITUTE', 'RECREATE'],
      before?.replacementMethod ?? 'SUBSTITUTE',
    ),
    maxSurge: bound(policy, 'maxSurge', shape, before?.maxSurge ?? usual),
    maxUnavailable: bound(policy, 'maxUnavailable', shape, before?.maxUnavailable ?? usual),
    instanceRedistributionType: oneOf(
      policy,
      'instanceRedistributionType',
      ['PROACTIVE', 'NONE'],
      before?.instanceRedistributionType ?? 'PROACTIVE',
    ),
  };
  check(read);
  return read;
}

/** The number of machines that a bound or a share stands for: parts are rounded up. */
export function calculated(value: FixedOrPercent, size: number): number {
  return 'fixed' in value ? value.fixed : Math.ceil((value.percent / 100) * size);
}

/** A bound or a share as the API shows it. */
export function shownCount(value: FixedOrPercent, size: number): JsonObject {
  return { ...value, calculated: calculated(value, size) };
}

/** The policy as the API shows it. */
export function shownPolicy(policy: UpdatePolicy, { size, regional }: GroupShape): JsonObject {
  const { maxSurge, maxUnavailable, instanceRedistributionType, ...rest } = policy;
  return {
    ...rest,
    maxSurge: shownCount(maxSurge, size),
    maxUnavailable: shownCount(maxUnavailable, size),
    instanceRedistributionType: regional ? instanceRedistributionType : undefined,
  };
}

/** Reads a number or a percentage; undefined when neither is given. */
export function readCount(
  value: JsonObject | undefined,
  field: string,
): FixedOrPercent | undefined {
  const { fixed, percent } = value ?? {};
  if (isGiven(fixed) && isGiven(percent)) {
    throw badRequest(`Only one of ${field}.fixed and ${field}.percent can be set.`);
  }
  if (isGiven(fixed)) {
    if (typeof fixed === 'number' && fixed >= 0) return { fixed };
    throw invalid(`${field}.fixed`, JSON.stringify(fixed), 'It must not be negative.');
  }
  if (!isGiven(percent)) return undefined;
  if (typeof percent === 'number' && percent >= 0 && percent <= 100) return { percent };
  throw invalid(`${field}.percent`, JSON.stringify(percent), 'It must be between 0 and 100.');
}

function isGiven(value: Json | undefined): boolean {
  return value !== undefined && value !== null;
}

function bound(
  policy: JsonObject | undefined,
  name: string,
  { size, zones, regional }: GroupShape,
  otherwise: FixedOrPercent,
): FixedOrPercent {
  const field = `resource.updatePolicy.${name}`;
  const given = readCount(objectOf(policy, name), field);
  if (given === undefined) return otherwise;
  if ('percent' in given) {
    if (size >= leastForPercent) return given;
    const why = `A percentage needs a group of at least ${leastForPercent} instances.`;
    throw invalid(`${field}.percent`, String(given.percent), why);
  }
  if (!regional || given.fixed === 0 || given.fixed >= zones.length) return given;
  const why = `It must be 0, or at least the number of zones, ${zones.length}, of the group.`;
  throw invalid(`${field}.fixed`, String(given.fixed), why);
}

function check({ maxSurge, maxUnavailable, replacementMethod, ...policy }: UpdatePolicy): void {
  const field = 'resource.updatePolicy';
  if (isZero(maxSurge) && isZero(maxUnavailable)) {
    const why = 'At least one of maxSurge and maxUnavailable must be greater than 0.';
    throw invalid(`${field}.maxUnavailable`, '0', why);
  }
  if (replacementMethod === 'RECREATE' && !isZero(maxSurge)) {
    const why = 'With the replacement method RECREATE it must be 0.';
    throw invalid(`${field}.maxSurge`, JSON.stringify(maxSurge), why);
  }
  const { minimalAction, mostDisruptiveAllowedAction: most } = policy;
  if (disruptions.indexOf(minimalAction) > disruptions.indexOf(most)) {
    const why = `It is more disruptive than mostDisruptiveAllowedAction, ${most}.`;
    throw invalid(`${field}.minimalAction`, minimalAction, why);
  }
}

function isZero(value: FixedOrPercent): boolean {
  return calculated(value, 100) === 0;
}

function oneOf<T extends string>(
  policy: JsonObject | undefined,
  name: string,
  values: readonly T[],
  otherwise: T,
): T {
  const given = textOf(policy, name);
  if (given === undefined) return otherwise;
  const found = values.find((value) => value === given);
  if (found !== undefined) return found;
  const why = `It must be one of ${values.join(', ')}.`;
  throw invalid(`resource.updatePolicy.${name}`, given, why);
}
