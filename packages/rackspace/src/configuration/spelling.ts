/** How many letters may be wrong in a name that was probably meant to be another. */
const maxWrong = 2;
/** Shorter names are too much alike. */
const minLength = 5;

/** The name that was probably meant by one that isn't known; `undefined` when none is like it. */
export function likelyName(given: string, known: readonly string[]): string | undefined {
  if (known.includes(given) || given.length < minLength) return undefined;
  return known.find((name) => distance(given, name) <= maxWrong);
}

/** How many letters must be put in, taken out or changed. https://en.wikipedia.org/wiki/Levenshtein_distance */
function distance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, index) => index);
  for (const [at, letter] of a.split('').entries()) {
    const above = row;
    row = [at + 1];
    for (const [index, other] of b.split('').entries()) {
      const [diagonal = 0, up = 0, left = 0] = [above[index], above[index + 1], row[index]];
      row.push(Math.min(diagonal + (letter === other ? 0 : 1), up + 1, left + 1));
    }
  }
  return row[b.length] ?? 0;
}
