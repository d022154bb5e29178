import { createHash } from 'node:crypto';

/** The number of an image version: Major, Minor, Patch. */
export type VersionNumber = readonly [major: number, minor: number, patch: number];

const largest = 2 ** 31 - 1;
/** What a version is taken for: up to three whole numbers, as in `7`, `v1.2`, `2026.11.21`, `20261121-1`. */
const numeric = /^v?(\d+)(?:[.\-_](\d+))?(?:[.\-_](\d+))?$/i;

/** Reads the name of an image version of Azure. */
export function parseNumber(name: string): VersionNumber | undefined {
  return /^\d+\.\d+\.\d+$/.test(name) ? numberOf(name) : undefined;
}

/** The number that a version of ours stands for; nothing for one that isn't made of numbers. */
export function numberOf(version: string): VersionNumber | undefined {
  const [, ...parts] = numeric.exec(version) ?? [];
  if (parts.length === 0) return undefined;
  const [major = 0, minor = 0, patch = 0] = parts.map((part: string | undefined) =>
    Number(part ?? 0),
  );
  return [major, minor, patch].every((part) => part <= largest) ? [major, minor, patch] : undefined;
}

export function formatNumber(number: VersionNumber): string {
  return number.join('.');
}

/** Which of two numbers Azure takes for the later: a positive result means that it is `a`. */
export function compareNumbers(a: VersionNumber, b: VersionNumber): number {
  return a[0] - b[0] || a[1] - b[1] || a[2] - b[2];
}

/**
 * The number of a new version of a family.
 *
 * It is the version's own where that is made of numbers, and free. Otherwise it is above all that stand, so that
 * publishing makes it the latest; by how much depends on the image's name: two images that are begun at the same
 * time hardly ever get the same, and the same image gets the same however often it is begun.
 */
export function chooseNumber(
  name: string,
  version: string | undefined,
  standing: readonly VersionNumber[],
): VersionNumber {
  const wanted = version === undefined ? undefined : numberOf(version);
  const free = (number: VersionNumber): boolean =>
    standing.every((one) => compareNumbers(one, number) !== 0);
  if (wanted !== undefined && free(wanted)) return wanted;
  const [major, minor, patch] = [...standing, ...(wanted === undefined ? [] : [wanted])].reduce(
    (high, one) => (compareNumbers(one, high) > 0 ? one : high),
    [1, 0, 0],
  );
  const step = 1 + (createHash('sha256').update(name).digest().readUInt32BE() % 997);
  if (patch + step <= largest) return [major, minor, patch + step];
  return minor < largest ? [major, minor + 1, step] : [major + 1, 0, step];
}
