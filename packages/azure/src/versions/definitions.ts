import { ifThere, ImgkitError, type Architecture, type CallOptions } from '@imgkit/core';

import { text, type WireObject } from '../api/wire.ts';
import type { OperationAddress } from '../client.ts';
import type { AzureContext } from '../context.ts';
import type { AzureImageOptions } from '../images/image-request.ts';
import { isBusy, ownOf, toArchitecture } from '../mapping.ts';
import { planOf, type AzurePurchasePlan } from '../images/marketplace.ts';
import type { SourceFacts } from '../images/sources.ts';
import { toTags } from '../resources/tags.ts';

const type = 'Microsoft.Compute/galleries/images';

/** What the tag of versions outside of families says: that it is an image, or a machine image. */
export type Standalone = 'true' | 'machine-image';

/** Whether a definition or a version is for a machine image: then it is none of the images. */
export function isForMachineImage(resource: WireObject | undefined): boolean {
  return ownOf(resource).standalone === ('machine-image' satisfies Standalone);
}

/** The definition that a new version needs. */
export interface DefinitionNeed {
  readonly name: string;
  /** What it is there for where that is no family: one image without a family, or one machine image. */
  readonly standalone: Standalone | undefined;
  readonly facts: SourceFacts;
  readonly options: AzureImageOptions;
  readonly architecture: Architecture | undefined;
}

/** The id of a definition of the provider's own gallery. */
export function definitionId(context: AzureContext, name: string): string {
  return context.id(type, context.settings.gallery, name);
}

/**
 * Makes the definition of a family, or of an image or machine image without one, where it is missing. What Azure would choose
 * differently from one version of its API to the next is said outright: the generation, and the security type.
 *
 * @throws ImgkitError with `ALREADY_EXISTS` if a family has the name of an image, or the other way round.
 */
export async function ensureDefinition(
  context: AzureContext,
  need: DefinitionNeed,
  options: CallOptions,
): Promise<void> {
  const { client, settings } = context;
  const { name, standalone, facts, options: wishes } = need;
  const id = definitionId(context, name);
  let standing = await ifThere(() => client.get(id, options));
  if (standing === undefined) {
    const architecture = { arm64: 'Arm64', x86_64: 'x64' } as const;
    const operation = await client.put(
      id,
      {
        location: settings.location,
        tags: toTags({}, { standalone }),
        osType: wishes.osType ?? facts.osType ?? 'Linux',
        osState: wishes.osState ?? facts.osState ?? 'Generalized',
        hyperVGeneration: wishes.hyperVGeneration ?? facts.hyperVGeneration ?? 'V2',
        architecture: need.architecture
          ? architecture[need.architecture]
          : (facts.architecture ?? 'x64'),
        identifier: { publisher: settings.publisher, offer: settings.gallery, sku: name },
        ...(facts.plan === undefined ? {} : { purchasePlan: { ...facts.plan } }),
        features: [
          { name: 'SecurityType', value: wishes.securityType ?? facts.securityType ?? 'Standard' },
        ],
      },
      options,
    );
    await ended(context, operation, options);
    standing = await client.get(id, options);
  }
  while (isBusy(standing)) {
    await context.clock.sleep(500, options.signal);
    standing = await client.get(id, options);
  }
  checkDefinition(standing, need, id);
}

function checkDefinition(standing: WireObject, need: DefinitionNeed, id: string): void {
  const { name, standalone, architecture, options, facts } = need;
  const is = ownOf(standing).standalone;
  if (is !== standalone)
    throw new ImgkitError(
      'ALREADY_EXISTS',
      `"${name}" is the name of ${is === undefined ? 'a family' : isForMachineImage(standing) ? 'a machine image' : 'an image'}`,
      {
        resource: id,
        hint: 'In a gallery, families, images without one, and machine images can’t be called the same.',
      },
    );
  const wanted: readonly (readonly [string, string | undefined, string | undefined])[] = [
    ['architecture', architecture, toArchitecture(standing)],
    ['osType', options.osType, text(standing, 'osType')],
    ['osState', options.osState ?? facts.osState, text(standing, 'osState')],
    ['hyperVGeneration', options.hyperVGeneration, text(standing, 'hyperVGeneration')],
    ['purchase plan', nameOf(facts.plan), nameOf(planOf(standing, 'purchasePlan')) ?? 'none'],
  ];
  const wrong = wanted.find(
    ([, wish, had]) => wish !== undefined && had !== undefined && wish !== had,
  );
  if (wrong !== undefined)
    throw new ImgkitError(
      'FAILED_PRECONDITION',
      `the ${wrong[0]} of the image definition "${name}" is ${wrong[2]}, not ${wrong[1]}`,
      { resource: id, hint: 'It never changes: use another family.' },
    );
}

function nameOf(plan: AzurePurchasePlan | undefined): string | undefined {
  return plan && [plan.publisher, plan.product, plan.name].join(':').toLowerCase();
}

/** Removes the definition of an image without a family, once that is gone. */
export async function removeStandaloneDefinition(
  context: AzureContext,
  name: string,
  options: CallOptions,
): Promise<void> {
  const { client, logger } = context;
  const id = definitionId(context, name);
  const standing = await ifThere(() => client.get(id, options));
  if (standing === undefined || ownOf(standing).standalone === undefined) return;
  try {
    await ended(context, await client.delete(id, options), options);
  } catch (error) {
    // Somebody makes a version in it again at this moment: then it is theirs.
    if (!ImgkitError.is(error, 'IN_USE') && !ImgkitError.is(error, 'FAILED_PRECONDITION'))
      throw error;
    logger.debug('a definition is in use again, and stays', { id });
  }
}

/** Waits for what takes a second or two, and can't be resumed. */
export async function ended(
  { client, clock }: AzureContext,
  operation: OperationAddress | undefined,
  options: CallOptions,
): Promise<void> {
  if (operation === undefined) return;
  for (
    let delay = 100;
    (await client.poll(operation, options)) === undefined;
    delay = Math.min(delay * 2, 5_000)
  )
    await clock.sleep(delay, options.signal);
}
