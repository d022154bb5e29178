import { ImgkitError } from '@imgkit/core';
import { accessSync, constants, statSync } from 'node:fs';

/** The error for a value that can't be used, naming the field it stands in. */
export function invalid(path: string, message: string, hint?: string): ImgkitError {
  return new ImgkitError('INVALID_ARGUMENT', `${path}: ${message}`, { hint, data: { path } });
}

/** Refuses a member that isn't one of these: most likely its name is misspelt. */
export function checkMembers(value: object, path: string, known: readonly string[]): void {
  for (const name of Object.keys(value))
    if (!known.includes(name))
      throw invalid(`${path}.${name}`, 'is not known', `Known are: ${known.join(', ')}.`);
}

/** Refuses unless exactly one of these members is given, and gives its name. */
export function checkExactlyOne<K extends string>(
  value: Readonly<Partial<Record<K, unknown>>>,
  path: string,
  names: readonly K[],
): K {
  const given = names.filter((name) => value[name] !== undefined);
  const [one] = given;
  if (one === undefined || given.length > 1)
    throw invalid(
      path,
      `needs exactly one of ${names.join(' and ')}, not ${given.length === 0 ? 'none' : 'both'}`,
    );
  return one;
}

export function checkWholeNumber(
  value: number | undefined,
  path: string,
  least: number,
  most: number,
): void {
  if (value !== undefined && !(Number.isInteger(value) && value >= least && value <= most))
    throw invalid(path, `${JSON.stringify(value)} is not a whole number from ${least} to ${most}`);
}

export function checkText(value: unknown, path: string): asserts value is string {
  if (typeof value !== 'string' || value.trim() === '')
    throw invalid(path, 'must be a text that is not empty');
  if (value.includes('\0')) throw invalid(path, 'must not hold a NUL character');
}

/** Refuses a local path at which there is no file that can be read. */
export function checkReadable(file: string, path: string): void {
  try {
    accessSync(file, constants.R_OK);
    if (statSync(file).isFile()) return;
  } catch (error) {
    throw new ImgkitError('INVALID_ARGUMENT', `${path}: the file ${file} can't be read`, {
      resource: file,
      hint: 'Relative paths start at the working directory of the program.',
      data: { path },
      cause: error,
    });
  }
  throw invalid(path, `${file} is not a file`);
}

/** A user's name in a guest. */
export function checkUser(value: string | undefined, path: string): void {
  if (value !== undefined && !/^[a-z_][a-z0-9_-]{0,31}\$?$/u.test(value))
    throw invalid(path, `${JSON.stringify(value)} is not the name of a user`);
}
