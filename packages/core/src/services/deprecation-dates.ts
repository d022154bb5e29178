import { ImgkitError } from '../spec/errors.ts';
import {
  deprecationStates,
  type Deprecation,
  type DeprecationDates,
  type DeprecationState,
} from '../spec/image.ts';

/** The dates in the order in which they must come, with the state each leads to. */
const planned = [
  ['deprecated', 'DEPRECATED'],
  ['obsolete', 'OBSOLETE'],
  ['deleted', 'DELETED'],
] as const satisfies readonly (readonly [keyof DeprecationDates, DeprecationState])[];

const isoInstant = /^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}(:\d{2}(\.\d+)?)?(Z|[+-]\d{2}:\d{2})$/;

/** How withdrawn a state is; a higher one is more so. */
export function rank(state: DeprecationState): number {
  return deprecationStates.indexOf(state);
}

/**
 * Checks the state and the dates of a deprecation.
 *
 * @throws {@link ImgkitError} with `INVALID_ARGUMENT` for an unknown state, a date that is no ISO 8601 instant with a
 *   time zone, or dates out of order.
 */
export function checkDeprecation({ state, dates = {} }: Deprecation): void {
  if (!deprecationStates.includes(state)) {
    throw new ImgkitError('INVALID_ARGUMENT', `"${state}" is not a state of deprecation`, {
      hint: `States are ${deprecationStates.join(', ')}.`,
    });
  }
  let earlier: (typeof planned)[number][0] | undefined;
  for (const [name] of planned) {
    const date = dates[name];
    if (date === undefined) continue;
    if (!isoInstant.test(date) || Number.isNaN(Date.parse(date))) {
      throw new ImgkitError('INVALID_ARGUMENT', `dates.${name} is "${date}", which is no instant`, {
        hint: 'Write it as ISO 8601 with a time zone: 2027-01-31T00:00:00Z.',
      });
    }
    if (earlier !== undefined && Date.parse(dates[earlier] ?? '') > Date.parse(date)) {
      throw new ImgkitError('INVALID_ARGUMENT', `dates.${name} comes before dates.${earlier}`, {
        hint: 'An image is first deprecated, then obsolete, then deleted.',
      });
    }
    earlier = name;
  }
}

/** The state that the dates say it should have at `now` (milliseconds since the epoch), if that is further on than the one it has. */
export function dueState(
  { state, dates = {} }: Deprecation,
  now: number,
): { readonly state: DeprecationState; readonly date: string } | undefined {
  return planned
    .flatMap(([name, to]) => {
      const date = dates[name];
      const due = date !== undefined && Date.parse(date) <= now && rank(to) > rank(state);
      return due ? [{ state: to, date }] : [];
    })
    .at(-1);
}

/** Whether two deprecations say the same; `sameReplacement` compares those that are there. */
export function sameDeprecation(
  a: Deprecation,
  b: Deprecation,
  sameReplacement: (
    a: NonNullable<Deprecation['replacement']>,
    b: NonNullable<Deprecation['replacement']>,
  ) => boolean,
): boolean {
  const replacements =
    a.replacement === undefined || b.replacement === undefined
      ? a.replacement === b.replacement
      : sameReplacement(a.replacement, b.replacement);
  const dates = planned.every(([name]) => instant(a.dates?.[name]) === instant(b.dates?.[name]));
  return a.state === b.state && replacements && dates;
}

function instant(date: string | undefined): number | undefined {
  return date === undefined ? undefined : Date.parse(date);
}
