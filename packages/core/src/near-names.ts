/** Gives the candidate that `name` is most likely a slip of, if any is near enough. */
export function nearest(name: string, candidates: Iterable<string>): string | undefined {
  return nearNames(name, candidates)[0];
}

/**
 * Gives the candidates that `name` may be a slip of, the nearest first: for the hint of an error.
 *
 * @example
 * ```ts
 * import { nearNames } from '@imgkit/core';
 *
 * console.log(nearNames('westeurop', ['westeurope', 'westus'])); // ['westeurope']
 * ```
 */
export function nearNames(name: string, candidates: Iterable<string>): readonly string[] {
  const wanted = name.toLowerCase();
  const allowed = Math.max(1, Math.floor(wanted.length / 3));
  return [...candidates]
    .map((candidate) => ({ candidate, distance: distance(wanted, candidate.toLowerCase()) }))
    .filter(
      ({ candidate, distance: edits }) =>
        edits <= allowed || (wanted.length > 2 && candidate.toLowerCase().includes(wanted)),
    )
    .toSorted((a, b) => a.distance - b.distance || (a.candidate < b.candidate ? -1 : 1))
    .map(({ candidate }) => candidate);
}

/** How many letters must be added, dropped or changed to come from `a` to `b`. */
function distance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, index) => index);
  for (let i = 1; i <= a.length; i += 1) {
    const next = [i];
    for (let j = 1; j <= b.length; j += 1) {
      const above = row[j] ?? 0;
      const left = next[j - 1] ?? 0;
      const diagonal = row[j - 1] ?? 0;
      next.push(Math.min(above + 1, left + 1, diagonal + (a[i - 1] === b[j - 1] ? 0 : 1)));
    }
    row = next;
  }
  return row[b.length] ?? 0;
}
