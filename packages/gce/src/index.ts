export type { GceCredentials, GceOptions } from './options.ts';
