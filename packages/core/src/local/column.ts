import { ImgkitError } from '../spec/errors.ts';
import type { Row } from './database.ts';

/** Readers of a row's columns, which hold the database to what its schema says. */
export const column = {
  text(row: Row, name: string): string {
    const value = row[name];
    if (typeof value !== 'string') throw corrupt(name);
    return value;
  },
  optionalText(row: Row, name: string): string | undefined {
    return row[name] === null ? undefined : column.text(row, name);
  },
  integer(row: Row, name: string): number {
    const value = row[name];
    if (typeof value !== 'number') throw corrupt(name);
    return value;
  },
  optionalInteger(row: Row, name: string): number | undefined {
    return row[name] === null ? undefined : column.integer(row, name);
  },
  flag(row: Row, name: string): boolean {
    return column.integer(row, name) !== 0;
  },
  /** One of `values`. */
  choice<T extends string>(row: Row, name: string, values: readonly T[]): T {
    const value = values.find((candidate) => candidate === row[name]);
    if (value === undefined) throw corrupt(name);
    return value;
  },
};

function corrupt(name: string): ImgkitError {
  return new ImgkitError(
    'FAILED_PRECONDITION',
    `the database is damaged: column "${name}" is not as it should be`,
  );
}
