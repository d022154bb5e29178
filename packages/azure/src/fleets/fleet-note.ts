import type { Labels } from '@imgkit/core';
import * as z from 'zod';

import { object, text, textMap, type WireObject } from '../api/wire.ts';
import type { AzureContext } from '../context.ts';
import { parseImageId } from '../images/image-id.ts';
import { ownOf } from '../mapping.ts';
import { formatId } from '../resources/resource-id.ts';
import { fromTags, longestValue, metadataIn, toTags, type OwnTags } from '../resources/tags.ts';
import { toReference } from './fleet-image.ts';

/** A rollout that imgkit carries out machine by machine: any process can go on with it. */
export interface RolloutNote {
  /** How many machines the fleet has without it. */
  readonly size: number;
  readonly surge: number;
  readonly unavailable: number;
  /** How many machines are to be new; the others stay. */
  readonly goal: number;
  /** Whether it waits. */
  readonly paused?: boolean | undefined;
  /** The version that is to be the latest: what the model doesn't name. */
  readonly exact?: string | undefined;
  /** Whether the machines are told something else, too: then the image alone doesn't say which are new. */
  readonly told?: boolean | undefined;
}

const schema = z.strictObject({
  size: z.int(),
  surge: z.int(),
  unavailable: z.int(),
  goal: z.int(),
  paused: z.boolean().optional(),
  exact: z.string().optional(),
  told: z.boolean().optional(),
});

export function writeRollout(note: RolloutNote): string {
  return JSON.stringify(note);
}

/** The rollout that imgkit carries out on a scale set, if there is one. */
export function rolloutOf(set: WireObject): RolloutNote | undefined {
  try {
    const parsed: unknown = JSON.parse(ownOf(set).rollout ?? '');
    return schema.safeParse(parsed).data;
  } catch {
    return undefined; // nothing, or somebody's own words
  }
}

/** What a scale set's machines are of. */
export interface FleetModel {
  readonly reference: WireObject;
  readonly size: string | undefined;
}

/** The model of a scale set. */
export function modelOf(set: WireObject): FleetModel {
  const profile = object(set, 'virtualMachineProfile');
  return {
    reference: object(object(profile, 'storageProfile'), 'imageReference') ?? {},
    size: text(object(set, 'sku'), 'name'),
  };
}

/** What machines are of, as a tag, so that any process can go back to it; nothing when it is too long for one. */
export function writeBefore(
  context: AzureContext,
  image: string,
  size: string | undefined,
): string | undefined {
  const prefix = `${formatId(context.gallery)}/images/`;
  const short = sameStart(image, prefix) ? image.slice(prefix.length) : image;
  const written = `${size ?? ''} ${short}`;
  return written.length > longestValue ? undefined : written;
}

/** What the machines were of before the last rollout; nothing when there was none, or it isn't known. */
export function beforeOf(context: AzureContext, set: WireObject): FleetModel | undefined {
  const [size = '', short] = ownOf(set).before?.split(' ') ?? [];
  if (short === undefined) return undefined;
  const isShort = /^[^/:]+\/versions\//.test(short);
  const image = parseImageId(isShort ? `${formatId(context.gallery)}/images/${short}` : short);
  if (image === undefined) return undefined;
  return { reference: toReference(image, 'version'), size: size === '' ? undefined : size };
}

/** The tags of a scale set with other ones of the adapter's own, and what its guests may read. */
export function withOwn(set: WireObject, own: OwnTags, metadata?: Labels): Record<string, string> {
  const tags = textMap(set, 'tags');
  return toTags(fromTags(tags), { ...ownOf(set), ...own }, metadata ?? metadataIn(tags));
}

function sameStart(whole: string, start: string): boolean {
  return whole.toLowerCase().startsWith(start.toLowerCase());
}
