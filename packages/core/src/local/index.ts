export { column } from './column.ts';
export { Database, type DatabaseOptions, type Row } from './database.ts';
export {
  formatProcess,
  parseProcess,
  systemProcesses,
  type ProcessIdentity,
  type ProcessTable,
} from './process-identity.ts';
