export { syncPath, writeAtomically } from './atomic-file.ts';
export { detectFormat } from './detect.ts';
export { exportDisk, type ExportFormat, type ExportOptions } from './export.ts';
export { removeLeftover } from './leftover.ts';
export {
  currentProcess,
  liveness,
  ownerOf,
  ownName,
  removeAbandoned,
  type Liveness,
} from './owned-file.ts';
export {
  checkDisk,
  convert,
  createEmpty,
  createOverlay,
  dataExtents,
  measureCopy,
  readInfo,
  type CallSettings,
  type ConvertOptions,
  type DiskInfo,
  type QemuDiskFormat,
} from './qemu-img.ts';
export {
  rawCopy,
  temporaryDirectory,
  type RawCopyOptions,
  type TemporaryPath,
} from './raw-copy.ts';
export { requireSpace, type FreeSpace } from './space.ts';
export { writeSparse, type WriteOptions } from './sparse-file.ts';
export { runTool, searchPath, type ToolOptions } from './tool.ts';
export { alignedVhdSize, appendVhdFooter, readFixedVhd, vhdFooter, type FixedVhd } from './vhd.ts';
