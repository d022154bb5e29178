export type {
  BaseBuilder,
  BaseImage,
  BaseKind,
  BuildOptions,
  BuildProgress,
} from './bases/base-image.ts';
export { cloudImage, type CloudImageOptions } from './bases/cloud-image.ts';
export { debianBase, type DebianBaseOptions } from './bases/debian.ts';
export { tinyBase, type TinyBaseOptions } from './bases/tiny.ts';
export type { QemuOptions } from './options.ts';
export { qemu } from './plugin.ts';
export { qemuStore, type ImportBaseOptions, type QemuStore } from './qemu-store.ts';
export type { CollectOptions, GarbageItem } from './store/garbage.ts';
export type { StoreProblem } from './store/verification.ts';
