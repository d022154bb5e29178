export {
  describeProvider,
  type ProviderSuiteOptions,
  type ProviderSuiteReport,
  type RegisterTest,
} from './suite.ts';
export type { ProviderWorld, SuiteTimeouts } from './world.ts';
