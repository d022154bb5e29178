import { Database, type Row } from '@imgkit/core/local';

import { migrations } from './schema.ts';

/** The column `name` of a row as text. */
export function column(row: Row, name: string): string {
  return String(row[name]);
}

/**
 * Opens or makes the catalog at `path`, the store's database, and brings it to this version's schema.
 * Everything that decides and then writes does so in one transaction, which holds the only write lock there is.
 *
 * @throws `FAILED_PRECONDITION` when a newer version made it, or it is not a catalog.
 */
export function openCatalog(path: string): Database {
  return Database.open(path, { subject: `the catalog ${path}`, migrations });
}
