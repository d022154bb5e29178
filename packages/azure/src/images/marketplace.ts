import { ImgkitError, type CallOptions, type Deprecation, type Image } from '@imgkit/core';

import { instant, isWireObject, object, objects, text, type WireObject } from '../api/wire.ts';
import type { AzureContext } from '../context.ts';
import { formatImageId, type MarketplaceId } from './image-id.ts';
import { toArchitecture } from '../mapping.ts';

/** How many images are read at once: Azure lists their names only. */
const together = 8;

/** An offer of the marketplace: its SKUs are its families. */
export interface Offer {
  readonly publisher: string;
  readonly offer: string;
}

/** What must be bought with an image. */
export interface AzurePurchasePlan {
  readonly name: string;
  readonly publisher: string;
  readonly product: string;
}

/** An image of Azure's marketplace as its SDK gives it: what `image.native` is. */
export interface AzureMarketplaceImage {
  readonly id: string;
  readonly name: string;
  readonly hyperVGeneration?: string | undefined;
  /** What must be bought with it; a machine made of it has to name it, too. */
  readonly plan?: AzurePurchasePlan | undefined;
  readonly osDiskImage: Readonly<Record<string, unknown>>;
  readonly dataDiskImages?: readonly Readonly<Record<string, unknown>>[] | undefined;
  readonly imageDeprecationStatus?: Readonly<Record<string, unknown>> | undefined;
}

/**
 * Whether the `native` of an image is an image of Azure's marketplace.
 *
 * @example
 * ```ts
 * import { isAzureMarketplaceImage } from '@imgkit/azure';
 * import type { Image } from '@imgkit/core';
 *
 * function mustBeBought({ native }: Image): boolean {
 *   return isAzureMarketplaceImage(native) && native.plan !== undefined;
 * }
 * ```
 */
export function isAzureMarketplaceImage(value: unknown): value is AzureMarketplaceImage {
  return (
    isWireObject(value) &&
    isWireObject(value['osDiskImage']) &&
    /\/artifacttypes\/vmimage\//i.test(text(value, 'id') ?? '')
  );
}

/** The purchase plan of an image; nothing where it has none. */
export function planOf(parent: WireObject | undefined, key: string): AzurePurchasePlan | undefined {
  const plan = object(parent, key);
  const [name, publisher] = [text(plan, 'name'), text(plan, 'publisher')];
  const product = text(plan, 'product');
  return name && publisher && product ? { name, publisher, product } : undefined;
}

/** Reads an image of the marketplace as it is where the provider works; `latest` is the highest that isn't withdrawn. */
export async function readMarketplace(
  context: AzureContext,
  id: MarketplaceId,
  options?: CallOptions,
): Promise<Image> {
  if (id.version !== 'latest') return readOne(context, id, context.settings.location, options);
  const { location } = context.settings;
  const latest = await latestInMarketplace(context, id, id.sku, location, options);
  if (latest !== undefined) return latest;
  throw new ImgkitError('NOT_FOUND', `there is no ${formatImageId(id)} in ${location}`, {
    resource: formatImageId(id),
    hint: `See what there is: az vm image list --all --publisher ${id.publisher} --offer ${id.offer} --location ${location}`,
  });
}

async function readOne(
  context: AzureContext,
  id: MarketplaceId,
  location: string,
  options?: CallOptions,
): Promise<Image> {
  const { client, settings, provider } = context;
  const { publisher, offer, sku, version } = id;
  const native = await client.lookUp(
    {
      subscription: settings.subscription,
      collection: 'virtualMachineImages',
      location,
      names: [publisher, offer, sku, version],
    },
    options,
  );
  return {
    ref: { provider, id: formatImageId(id) },
    name: `${offer}-${sku}-${version}`,
    project: `${publisher}:${offer}`,
    family: sku,
    version,
    published: true,
    status: 'READY',
    deprecation: await deprecationOf(context, id, native, options),
    // Azure tells neither.
    createdAt: new Date(0).toISOString(),
    diskSizeBytes: 0,
    architecture: toArchitecture(native),
    labels: {},
    native,
  };
}

/** The images of an offer, of one SKU or of all. */
export async function* listMarketplace(
  context: AzureContext,
  { publisher, offer }: Offer,
  sku?: string,
  options?: CallOptions,
): AsyncGenerator<Image, void, undefined> {
  if (sku === undefined)
    throw new ImgkitError('UNSUPPORTED', `not all of ${publisher}:${offer} can be listed`, {
      hint: 'Name a family: an SKU of the offer.',
    });
  const versions = await versionsOf(
    context,
    { publisher, offer },
    sku,
    context.settings.location,
    options,
  );
  for (let start = 0; start < versions.length; start += together) {
    const some = versions.slice(start, start + together);
    yield* await Promise.all(
      some.map((version) =>
        readOne(
          context,
          { kind: 'marketplace', publisher, offer, sku, version },
          context.settings.location,
          options,
        ),
      ),
    );
  }
}

/**
 * The highest version of an SKU that is ACTIVE.
 *
 * @throws ImgkitError with `FAILED_PRECONDITION` if its publisher withdraws all of them: then nothing is the latest to
 *   imgkit, though Azure still gives one.
 */
export async function latestInMarketplace(
  context: AzureContext,
  { publisher, offer }: Offer,
  sku: string,
  region: string,
  options?: CallOptions,
): Promise<Image | undefined> {
  const versions = await versionsOf(context, { publisher, offer }, sku, region, options);
  let withdrawn: Image | undefined;
  for (const version of versions.toReversed()) {
    const id = { kind: 'marketplace', publisher, offer, sku, version } as const;
    const image = await readOne(context, id, region, options);
    if (image.deprecation.state === 'ACTIVE') return image;
    withdrawn ??= image;
  }
  if (withdrawn === undefined) return undefined;
  const { replacement, dates } = withdrawn.deprecation;
  throw new ImgkitError(
    'FAILED_PRECONDITION',
    `${publisher} withdraws all of ${offer}:${sku}${dates?.obsolete === undefined ? '' : ` on ${dates.obsolete}`}`,
    {
      resource: withdrawn.ref.id,
      replacement: replacement && `${replacement.provider}:${replacement.id}`,
      hint:
        replacement === undefined
          ? `Choose another SKU, or name the version: ${withdrawn.ref.id}.`
          : `Use ${replacement.id} instead, or name the version: ${withdrawn.ref.id}.`,
    },
  );
}

/** The numbers of an SKU's versions, the highest last; none for what isn't there. */
async function versionsOf(
  { client, settings }: AzureContext,
  { publisher, offer }: Offer,
  sku: string,
  location: string,
  options?: CallOptions,
): Promise<readonly string[]> {
  const names = [publisher, offer, sku];
  const { subscription } = settings;
  const query = { subscription, collection: 'virtualMachineImages', location, names } as const;
  const found: string[] = [];
  try {
    for await (const page of client.lookUpPages(query, options))
      found.push(...page.flatMap((one) => text(one, 'name') ?? []));
  } catch (error) {
    if (!ImgkitError.is(error, 'NOT_FOUND')) throw error;
  }
  return found.toSorted(numeric.compare);
}

const numeric = new Intl.Collator('en', { numeric: true });

/**
 * What the publisher plans for an image. One that is to be withdrawn works until then, so it is DEPRECATED; what was
 * withdrawn can be neither read nor used.
 * https://learn.microsoft.com/azure/virtual-machines/deprecated-images
 */
async function deprecationOf(
  context: AzureContext,
  id: MarketplaceId,
  native: WireObject,
  options?: CallOptions,
): Promise<Deprecation> {
  const status = object(native, 'imageDeprecationStatus');
  const said = text(status, 'imageState') ?? 'Active';
  if (said === 'Active') return { state: 'ACTIVE' };
  const obsolete = instant(status, 'scheduledDeprecationTime');
  const instead = await alternativeTo(context, id, object(status, 'alternativeOption'), options);
  return {
    state: said === 'Deprecated' ? 'OBSOLETE' : 'DEPRECATED',
    ...(obsolete === undefined ? {} : { dates: { obsolete } }),
    ...(instead === undefined
      ? {}
      : { replacement: { provider: context.provider, id: formatImageId(instead) } }),
  };
}

/** What its publisher names instead: another plan, which is an SKU, or another offer, where that has the same SKU. */
async function alternativeTo(
  context: AzureContext,
  id: MarketplaceId,
  option: WireObject | undefined,
  options?: CallOptions,
): Promise<MarketplaceId | undefined> {
  const [type, value] = [text(option, 'type'), text(option, 'value')];
  if (value === undefined) return undefined;
  if (type === 'Plan') return { ...id, sku: value, version: 'latest' };
  if (type !== 'Offer') return undefined;
  const { publisher, sku } = id;
  const { location } = context.settings;
  const versions = await versionsOf(context, { publisher, offer: value }, sku, location, options);
  return versions.length === 0 ? undefined : { ...id, offer: value, version: 'latest' };
}

/** What a definition for machines of an image must say. */
export function marketplaceFacts(image: Pick<Image, 'native'>) {
  const native = isWireObject(image.native) ? image.native : {};
  const feature = objects(native, 'features').find((one) => text(one, 'name') === 'SecurityType');
  return {
    osType: text(object(native, 'osDiskImage'), 'operatingSystem'),
    osState: 'Generalized',
    hyperVGeneration: text(native, 'hyperVGeneration'),
    architecture: text(native, 'architecture'),
    securityType: text(feature, 'value'),
    plan: planOf(native, 'plan'),
  };
}
