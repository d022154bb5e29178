import type { JsonObject } from '../../control-plane/json.ts';
import type { Call, Handler } from '../call.ts';
import { ArmError, invalidParameter } from '../errors.ts';
import { isRegion, regionName } from '../regions.ts';
import type { World } from '../state.ts';

/** An image of an emulated marketplace. */
export interface EmulatedMarketplaceImage {
  readonly publisher: string;
  readonly offer: string;
  readonly sku: string;
  /** Its number: `0.20261101.1`. */
  readonly version: string;
  /** `Linux` by default. */
  readonly osType?: 'Linux' | 'Windows' | undefined;
  /** `V2` by default. */
  readonly hyperVGeneration?: 'V1' | 'V2' | undefined;
  /** `x64` by default. */
  readonly architecture?: 'x64' | 'Arm64' | undefined;
  /** The size of its disk, in GiB; 30 by default. */
  readonly sizeInGB?: number | undefined;
  /** How many data disks it has; none by default. */
  readonly dataDisks?: number | undefined;
  /** What must be bought with it, and whose terms must be accepted: see `acceptTerms`. */
  readonly plan?:
    | { readonly name: string; readonly publisher: string; readonly product: string }
    | undefined;
  /** Whether it is, or is to be, withdrawn, and what is there instead. */
  readonly deprecation?:
    | {
        readonly imageState: 'Active' | 'ScheduledForDeprecation' | 'Deprecated';
        /** ISO 8601. */
        readonly scheduledDeprecationTime?: string | undefined;
        readonly alternativeOption?:
          | { readonly type: 'None' | 'Offer' | 'Plan'; readonly value?: string | undefined }
          | undefined;
      }
    | undefined;
}

/** What images of the marketplace are kept by. */
export function marketplaceKey(parts: readonly string[]): string {
  return parts.join(':').toLowerCase();
}

const imageId =
  /^\/subscriptions\/[^/]+\/providers\/Microsoft\.Compute\/locations\/([^/]+)\/publishers\/([^/]+)\/artifacttypes\/vmimage\/offers\/([^/]+)\/skus\/([^/]+)\/versions\/([^/]+)$/i;

/**
 * An image of the marketplace that something is made of, by its ARM id or by what an `imageReference` says.
 *
 * @returns nothing for an id of something else.
 * @throws ArmError where Azure lets nobody use it.
 */
export function marketplaceSource(
  world: World,
  id: string,
  plan?: JsonObject,
): EmulatedMarketplaceImage | undefined {
  const [, , ...names] = imageId.exec(id) ?? [];
  if (names.length === 0) return undefined;
  const image = usable(world, names);
  if (image.plan === undefined) return image;
  const { publisher, product, name } = image.plan;
  if (plan === undefined || !world.acceptedTerms.has(marketplaceKey([publisher, product, name])))
    throw new ArmError(
      400,
      'ResourcePurchaseValidationFailed',
      `User failed validation to purchase resources. Error message: 'You have not accepted the legal terms on this subscription for this plan. Before the subscription can be used, you need to accept the legal terms of the image. Offer with PublisherId: '${publisher}', OfferId: '${product}', PlanId: '${name}'.'`,
    );
  return image;
}

function usable(world: World, names: readonly string[]): EmulatedMarketplaceImage {
  const found = world.marketplace.get(marketplaceKey(names));
  const [publisher, offer, sku, version] = names;
  if (found === undefined)
    throw new ArmError(
      404,
      'NotFound',
      `Artifact: VMImage was not found. Publisher: ${publisher}, Offer: ${offer}, Sku: ${sku}, Version: ${version}`,
    );
  if (found.deprecation?.imageState === 'Deprecated')
    throw new ArmError(
      404,
      'ImageVersionDeprecated',
      `VM Image from publisher: ${publisher} with - Offer: ${offer}, Sku: ${sku}, Version: ${version} is deprecated.`,
    );
  return found;
}

/** The names in a path: the region, then publisher, offer, SKU and version, as far as it goes. */
function namesIn(call: Call): readonly string[] {
  const parts = call.id.split('/');
  const names = [6, 8, 12, 14, 16].flatMap((at) => parts[at] ?? []);
  if (!isRegion(names[0] ?? ''))
    throw invalidParameter('location', `'${names[0]}' is not available`);
  return names;
}

const get: Handler = (call) => {
  const [location = '', ...names] = namesIn(call);
  const image = usable(call.world, names);
  return { status: 200, body: { ...listedImage(call, location, names), properties: shown(image) } };
};

function shown(image: EmulatedMarketplaceImage): JsonObject {
  const { osType = 'Linux', hyperVGeneration = 'V2', architecture = 'x64', plan } = image;
  return {
    hyperVGeneration,
    architecture,
    osDiskImage: { operatingSystem: osType },
    dataDiskImages: Array.from({ length: image.dataDisks ?? 0 }, (_, lun) => ({ lun })),
    automaticOSUpgradeProperties: { automaticOSUpgradeSupported: false },
    features: [{ name: 'SecurityType', value: 'TrustedLaunchSupported' }],
    imageDeprecationStatus: { imageState: 'Active', ...image.deprecation },
    ...(plan === undefined ? {} : { plan }),
  };
}

/** What is known one level below what a path names: publishers, offers, SKUs, versions. */
const list: Handler = (call) => {
  const [location = '', ...names] = namesIn(call);
  const seen = new Map<string, readonly string[]>();
  for (const { publisher, offer, sku, version, deprecation } of call.world.marketplace.values()) {
    const all = [publisher, offer, sku, version];
    const below = all.slice(0, names.length + 1);
    const here = marketplaceKey(all.slice(0, names.length)) === marketplaceKey(names);
    if (here && deprecation?.imageState !== 'Deprecated') seen.set(marketplaceKey(below), below);
  }
  const body = [...seen.values()].map((below) => listedImage(call, location, below));
  return { status: 200, body };
};

function listedImage(call: Call, location: string, names: readonly string[]): JsonObject {
  const words = ['Publishers', 'ArtifactTypes/VMImage/Offers', 'Skus', 'Versions'];
  const path = names.map((name, at) => `${words[at]}/${name}`).join('/');
  const [, , subscription = ''] = call.id.split('/');
  // Azure writes these ids in capitals of its own.
  const id = `/Subscriptions/${subscription}/Providers/Microsoft.Compute/Locations/${regionName(location)}/${path}`;
  return { location: regionName(location), name: names.at(-1) ?? '', id };
}

export const marketplace = { get, list } as const;
