export * from './spec/index.ts';
export { startOperation, throwIfAborted, type OperationControl } from './plugin/operation.ts';
