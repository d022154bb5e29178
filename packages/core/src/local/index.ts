export { column } from './column.ts';
export { Database, type DatabaseOptions, type Row } from './database.ts';
export { gzip } from './gzip.ts';
export {
  formatProcess,
  parseProcess,
  systemProcesses,
  type ProcessIdentity,
  type ProcessTable,
} from './process-identity.ts';
export { sparseTar, type Extent, type SparseMember, type SparseTarOptions } from './sparse-tar.ts';
export * from './disk-files/index.ts';
export { fileError, systemCode, toolError, toolMissing } from './system-errors.ts';
