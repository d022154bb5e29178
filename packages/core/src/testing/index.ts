export * from './memory/index.ts';
export * from './conformance/index.ts';
export { FakeClock } from './fake-clock.ts';
export { describeEngine, type EngineSuite } from './engine-conformance.ts';
export type { EngineFactory, EngineSetup, TestedEngine } from './engine-conformance-context.ts';
