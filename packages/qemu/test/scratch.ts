// What tests of disk files need, here and there.
export { failure, makeRaw, refusal, run, scratch, virtualSize } from '../../core/test/scratch.ts';
