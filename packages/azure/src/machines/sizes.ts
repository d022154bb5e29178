import { ImgkitError, type CallOptions, type MachineTemplate } from '@imgkit/core';

import { objects, text, type WireObject } from '../api/wire.ts';
import type { AzureContext } from '../context.ts';
import { invalid } from '../images/image-request.ts';
import { regionName } from '../resources/regions.ts';

/** What a machine shall have at least. */
type Wish = Exclude<NonNullable<MachineTemplate['machineType']>, string>;

/** What a size must go with. */
export interface SizeNeed {
  /** `x64` or `Arm64`. */
  readonly architecture: string | undefined;
  /** `V1` or `V2`. */
  readonly generation: string | undefined;
  readonly ephemeralDisk: boolean;
  /** The region that it is for; the provider's own by default. */
  readonly location?: string | undefined;
}

/** A size of Azure's. */
interface Size {
  readonly name: string;
  readonly cpus: number;
  readonly memoryGb: number;
  readonly architecture: string;
  readonly generations: readonly string[];
  readonly ephemeralDisk: boolean;
  /** Why it can't be had here. */
  readonly restriction: string | undefined;
}

/** What machines are when nobody says: two virtual processors and 4 GiB, of the series that is for changing loads. */
const defaultSize = 'Standard_B2s';
const leastWish: Wish = { cpus: 1, memoryBytes: 2 ** 30 };

/** The general-purpose series, in the order in which they are taken of two that fit equally well. */
const series = ['B', 'D', 'F', 'E'];
const generalPurpose = /^Standard_([BDEF])(\d+)([a-z]*)(?:_v(\d+))?$/;

/**
 * The name of a size: the one asked for, or the smallest general-purpose size that has what is asked for, goes with
 * the image, and can be had.
 *
 * @throws {@link ImgkitError} with `INVALID_ARGUMENT` where Azure has none.
 */
export async function sizeName(
  context: AzureContext,
  wish: MachineTemplate['machineType'],
  need: SizeNeed,
  options?: CallOptions,
): Promise<string> {
  if (typeof wish === 'string') return wish;
  if (wish === undefined && need.architecture !== 'Arm64' && !need.ephemeralDisk)
    return defaultSize;
  const { cpus, memoryBytes } = wish ?? leastWish;
  const { location = context.settings.location } = need;
  if (!(Number.isSafeInteger(cpus) && cpus > 0 && memoryBytes > 0 && Number.isFinite(memoryBytes)))
    throw invalid(
      `${cpus} processors and ${memoryBytes} bytes of memory are no machine`,
      'Give a whole number of processors and a number of bytes.',
    );
  const fitting: Size[] = [];
  let restricted: string | undefined;
  for await (const size of sizesIn(context, location, options)) {
    const fits = size.cpus >= cpus && size.memoryGb * 2 ** 30 >= memoryBytes;
    if (!fits || !goesWith(size, need)) continue;
    if (size.restriction === undefined) fitting.push(size);
    else restricted ??= `${size.name}: ${size.restriction}`;
  }
  const [best] = fitting.toSorted(byPreference);
  if (best !== undefined) return best.name;
  throw new ImgkitError(
    'INVALID_ARGUMENT',
    `${location} has no general-purpose size with ${cpus} processors and ${memoryBytes} bytes of memory for this image`,
    {
      hint:
        restricted === undefined
          ? 'Name a size: az vm list-skus --location … --resource-type virtualMachines shows them.'
          : `The subscription may not use those that there are (${restricted}): ask Azure for them, or work in another region.`,
    },
  );
}

async function* sizesIn(
  { client, settings }: AzureContext,
  location: string,
  options?: CallOptions,
): AsyncGenerator<Size, void, undefined> {
  for await (const page of client.sizes(settings.subscription, location, options))
    for (const native of page) {
      const size = toSize(native, location);
      if (size !== undefined) yield size;
    }
}

/** A SKU as a size; nothing for what isn't one that is chosen from. */
function toSize(sku: WireObject, location: string): Size | undefined {
  const name = text(sku, 'name') ?? '';
  if (text(sku, 'resourceType') !== 'virtualMachines' || !generalPurpose.test(name))
    return undefined;
  const capabilities = new Map(
    objects(sku, 'capabilities').map((one) => [text(one, 'name'), text(one, 'value') ?? '']),
  );
  return {
    name,
    cpus: Number(capabilities.get('vCPUsAvailable') ?? capabilities.get('vCPUs') ?? 0),
    memoryGb: Number(capabilities.get('MemoryGB') ?? 0),
    architecture: capabilities.get('CpuArchitectureType') ?? 'x64',
    generations: (capabilities.get('HyperVGenerations') ?? 'V1').split(','),
    ephemeralDisk: capabilities.get('EphemeralOSDiskSupported') === 'True',
    restriction: restrictionOf(sku, location),
  };
}

/** Restrictions of single zones leave the others. */
function restrictionOf(sku: WireObject, location: string): string | undefined {
  const found = objects(sku, 'restrictions').find((one) => {
    const values: unknown = one['values'];
    const places = Array.isArray(values) ? values.map((value) => regionName(String(value))) : [];
    return text(one, 'type') === 'Location' && places.includes(location);
  });
  return found && (text(found, 'reasonCode') ?? 'restricted');
}

function goesWith(size: Size, { architecture, generation, ephemeralDisk }: SizeNeed): boolean {
  return (
    size.architecture === (architecture ?? 'x64') &&
    (generation === undefined || size.generations.includes(generation)) &&
    (!ephemeralDisk || size.ephemeralDisk)
  );
}

/** The fewest processors, then the least memory, then the series and the newest of it. */
function byPreference(a: Size, b: Size): number {
  const [, seriesA = '', , , versionA = '1'] = generalPurpose.exec(a.name) ?? [];
  const [, seriesB = '', , , versionB = '1'] = generalPurpose.exec(b.name) ?? [];
  return (
    a.cpus - b.cpus ||
    a.memoryGb - b.memoryGb ||
    series.indexOf(seriesA) - series.indexOf(seriesB) ||
    Number(versionB) - Number(versionA) ||
    a.name.localeCompare(b.name)
  );
}
