export * from './memory/index.ts';
export * from './conformance/index.ts';
