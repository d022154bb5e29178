export { systemClock, type Clock } from './clock.ts';
export { embeddedEngine, type EmbeddedEngineOptions } from './embedded-engine.ts';
export type * from './port.ts';
export type * from './resource.ts';
export type * from './run-event.ts';
export { Runs, type RunsParts } from './runs.ts';
export type { SweepItem, SweepOptions, SweepPlan, SweepReport } from './sweep.ts';
export * from './workflow.ts';
