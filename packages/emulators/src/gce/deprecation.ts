import { textOf, type JsonObject } from '../control-plane/json.ts';
import type { Call } from './call.ts';
import { selfLink } from './links.ts';
import { checkTimestamp } from './values.ts';

/** The dates of a deprecation: plans, nothing happens at them. */
const dates = ['deprecated', 'obsolete', 'deleted'];

/**
 * The deprecation that a request describes, as it is answered; undefined for an empty one, which clears it.
 *
 * @param field - where it is in the request.
 */
export function readDeprecation(
  call: Call,
  field: string,
  block: JsonObject,
): JsonObject | undefined {
  for (const date of dates) {
    const value = textOf(block, date);
    if (value !== undefined) checkTimestamp(`${field}.${date}`, value);
  }
  const replacement = textOf(block, 'replacement');
  const link = replacement && replacementLink(call, `${field}.replacement`, replacement);
  const read = {
    state: textOf(block, 'state'),
    replacement: link,
    ...Object.fromEntries(dates.map((date) => [date, textOf(block, date)])),
  };
  return Object.values(read).some((value) => value !== undefined) ? read : undefined;
}

function replacementLink(call: Call, field: string, text: string): string {
  const { project, location, name, family } = call.refer(field, text, 'images', 'global');
  return selfLink(`projects/${project}/${location}/images/${family ? 'family/' : ''}${name}`);
}
