import { createHash } from 'node:crypto';

/** The size of a machine. */
export interface MachineType {
  readonly name: string;
  readonly cpus: number;
  readonly memoryMb: number;
  /** Whether it has a part of a processor only. */
  readonly shared: boolean;
  readonly architecture: 'X86_64' | 'ARM64';
}

const shared: readonly (readonly [name: string, cpus: number, memoryMb: number])[] = [
  ['f1-micro', 1, 614],
  ['g1-small', 1, 1740],
  ['e2-micro', 2, 1024],
  ['e2-small', 2, 2048],
  ['e2-medium', 2, 4096],
];

/** Families with the memory, in MB, that they give each processor. */
const families: readonly (readonly [family: string, mbPerCpu: number, cpus: readonly number[]])[] =
  [
    ['e2-standard', 4096, [2, 4, 8, 16, 32]],
    ['e2-highmem', 8192, [2, 4, 8, 16]],
    ['e2-highcpu', 1024, [2, 4, 8, 16, 32]],
    ['n1-standard', 3840, [1, 2, 4, 8, 16, 32, 64, 96]],
    ['n1-highmem', 6656, [2, 4, 8, 16, 32, 64, 96]],
    ['n2-standard', 4096, [2, 4, 8, 16, 32, 48, 64, 80]],
    ['n2-highmem', 8192, [2, 4, 8, 16, 32, 48, 64, 80]],
    ['n2-highcpu', 1024, [2, 4, 8, 16, 32, 48, 64, 80]],
    ['n2d-standard', 4096, [2, 4, 8, 16, 32, 48, 64]],
    ['c2-standard', 4096, [4, 8, 16, 30, 60]],
    ['t2d-standard', 4096, [1, 2, 4, 8, 16, 32, 48]],
    ['t2a-standard', 4096, [1, 2, 4, 8, 16, 32, 48]],
  ];

/** The predefined sizes, as every zone here has them. A part of Google's list: the general-purpose series. */
export const machineTypes: readonly MachineType[] = [
  ...shared.map(([name, cpus, memoryMb]) => machineType(name, cpus, memoryMb, true)),
  ...families.flatMap(([family, mbPerCpu, sizes]) =>
    sizes.map((cpus) => machineType(`${family}-${cpus}`, cpus, cpus * mbPerCpu)),
  ),
];

/**
 * Finds a size by its name: a predefined one, or a custom one like `n2-custom-4-8192`, with the number of
 * processors and the memory in MB, a multiple of 256.
 */
export function findMachineType(name: string): MachineType | undefined {
  return machineTypes.find((type) => type.name === name) ?? customType(name);
}

/** The number that Google's list has for a size. Made up, and always the same. */
export function machineTypeId(name: string): string {
  return String(createHash('sha256').update(name).digest().readUInt32BE());
}

/** @see https://cloud.google.com/compute/docs/instances/creating-instance-with-custom-machine-type */
function customType(name: string): MachineType | undefined {
  const match = /^(?:(e2|n1|n2|n2d|n4)-)?custom-(\d+)-(\d+)(?:-ext)?$/.exec(name);
  if (match === null) return undefined;
  const [cpus, memoryMb] = [Number(match[2]), Number(match[3])];
  const even = cpus === 1 || cpus % 2 === 0;
  if (cpus < 1 || !even || memoryMb < 256 || memoryMb % 256 !== 0) return undefined;
  return machineType(name, cpus, memoryMb);
}

function machineType(name: string, cpus: number, memoryMb: number, isShared = false): MachineType {
  const architecture = name.startsWith('t2a') ? 'ARM64' : 'X86_64';
  return { name, cpus, memoryMb, shared: isShared, architecture };
}
