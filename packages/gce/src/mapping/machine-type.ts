import { ImgkitError, type Architecture, type MachineTemplate } from '@imgkit/core';

/** What a machine shall have at least. */
type Wish = Exclude<NonNullable<MachineTemplate['machineType']>, string>;

interface Size {
  readonly name: string;
  readonly cpus: number;
  readonly memoryMb: number;
}

/** What machines are when nobody says: the least that sustains a whole vCPU. */
const defaultWish: Wish = { cpus: 1, memoryBytes: 2 ** 30 };

const named = (series: string, perCpuMb: number, counts: readonly number[]): readonly Size[] =>
  counts.map((cpus) => ({ name: `${series}-${cpus}`, cpus, memoryMb: cpus * perCpuMb }));

/**
 * The named types that are chosen from, with what they sustain: the two vCPUs of e2-medium share one.
 * Source: Google's "General-purpose machine family".
 */
const namedSizes: Readonly<Record<Architecture, readonly Size[]>> = {
  x86_64: [
    { name: 'e2-medium', cpus: 1, memoryMb: 4096 },
    ...named('e2-standard', 4096, [2, 4, 8, 16, 32]),
    ...named('e2-highmem', 8192, [2, 4, 8, 16]),
    ...named('e2-highcpu', 1024, [2, 4, 8, 16, 32]),
  ],
  arm64: named('t2a-standard', 4096, [1, 2, 4, 8, 16, 32, 48]),
};

/**
 * The rules of custom types: an even number of vCPUs, above 32 a multiple of 4; 0.5 to 8 GB for each; a
 * multiple of 256 MB. Source: Google's "Create a VM with a custom machine type".
 */
const customSeries = [
  { series: 'e2', maxCpus: 32, maxMemoryMb: 131_072 },
  { series: 'n2', maxCpus: 80, maxMemoryMb: 655_360 },
] as const;
const leastMbPerCpu = 512;
const mostMbPerCpu = 8192;

/**
 * The name of a machine type: the one asked for, or the smallest of Google's E2 types, named or custom, that
 * has at least the vCPUs and the memory; N2 for what E2 is too small for, and T2A for ARM.
 *
 * @throws {@link ImgkitError} with `INVALID_ARGUMENT` for what no such type has.
 */
export function machineTypeName(
  wish: MachineTemplate['machineType'] = defaultWish,
  architecture: Architecture = 'x86_64',
): string {
  if (typeof wish === 'string') return bareName(wish);
  const { cpus, memoryBytes } = wish;
  if (!(cpus > 0 && Number.isSafeInteger(cpus) && memoryBytes > 0 && Number.isFinite(memoryBytes)))
    throw invalid(`${cpus} vCPUs and ${memoryBytes} bytes of memory are no machine`);
  const memoryMb = Math.ceil(memoryBytes / 2 ** 20);
  const sizes = namedSizes[architecture].filter(
    (size) => size.cpus >= cpus && size.memoryMb >= memoryMb,
  );
  const custom = architecture === 'x86_64' ? customSize(cpus, memoryMb) : undefined;
  // At the same size the named one is taken: it comes first, and sorting keeps the order.
  const [smallest] = [...sizes, ...(custom === undefined ? [] : [custom])].toSorted(
    (a, b) => a.cpus - b.cpus || a.memoryMb - b.memoryMb,
  );
  if (smallest !== undefined) return smallest.name;
  throw invalid(
    `no machine type is chosen for ${cpus} vCPUs and ${memoryMb} MiB (${architecture})`,
  );
}

function customSize(cpus: number, memoryMb: number): Size | undefined {
  const even = upTo(2, Math.max(cpus, Math.ceil(memoryMb / mostMbPerCpu)));
  const count = even > 32 ? upTo(4, even) : even;
  const memory = upTo(256, Math.max(memoryMb, count * leastMbPerCpu));
  const found = customSeries.find(
    ({ maxCpus, maxMemoryMb }) => count <= maxCpus && memory <= maxMemoryMb,
  );
  return (
    found && { name: `${found.series}-custom-${count}-${memory}`, cpus: count, memoryMb: memory }
  );
}

/** The last part of a URL, which types are also named by. */
export function bareName(url: string): string {
  return url.slice(url.lastIndexOf('/') + 1);
}

function upTo(step: number, value: number): number {
  return Math.ceil(value / step) * step;
}

function invalid(message: string): ImgkitError {
  return new ImgkitError('INVALID_ARGUMENT', message, {
    hint: 'Name a machine type: gcloud compute machine-types list shows what a zone has.',
  });
}
