export {
  memoryCloud,
  type MemoryCall,
  type MemoryCloud,
  type MemoryCloudOptions,
  type MemoryResource,
} from './cloud.ts';
export type { FailureOptions, FaultMoment, Faults, FaultScope, Hold } from './faults.ts';
export type { MemoryGuest, MemoryGuestFactory, MemoryMachine } from './guest.ts';
export {
  createMemoryProvider,
  withoutCapabilities,
  type MemoryProvider,
  type MemoryProviderOptions,
} from './provider.ts';
export type { MemoryTraitChoices, MemoryTraits } from './traits.ts';
export { memory, type MemoryPluginOptions } from './plugin.ts';
