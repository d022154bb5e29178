import {
  bakeKeyLabel,
  ImgkitError,
  supports,
  type CallOptions,
  type Capabilities,
  type Image,
  type Imgkit,
  type Provider,
} from '@imgkit/core';
import { bakeKey, digest, recipeDigest } from '../bake-key.ts';
import { invalid } from '../check.ts';
import type { Recipe, RecipeSource } from '../recipe.ts';

/** A provider that can bake. */
export type BakingProvider = Provider & Pick<Capabilities, 'instances' | 'publishing'>;

/** What one bake at one provider comes to, before anything is created. */
export interface BakePlan {
  readonly provider: BakingProvider;
  /** The digest of the recipe with its files. */
  readonly recipe: string;
  readonly version: string | undefined;
  /** What the source means now. */
  readonly source: Image;
  /** The bake key. */
  readonly key: string;
  /** The image that was baked with this key before and may be used. */
  readonly existing: Image | undefined;
  /** The first part of the id of the run: the same for each attempt at this version of this recipe at this provider. */
  readonly runId: string;
  readonly warnings: readonly string[];
}

/**
 * Looks up what is to be baked, and refuses what can't be: nothing is created.
 *
 * @throws {@link ImgkitError} `PROVIDER_NOT_FOUND`, `UNSUPPORTED`, `INVALID_ARGUMENT`, `NOT_FOUND` for the source, and what `provider.check` throws.
 */
export async function planBake(
  kit: Imgkit,
  recipe: Recipe,
  name: string,
  version: string | undefined,
  options: CallOptions,
): Promise<BakePlan> {
  const provider = bakingProvider(kit, recipe, name);
  const source = sourceFor(recipe, name);
  checkNames(recipe, version, provider);
  const [digested] = await Promise.all([
    recipeDigest(recipe, options.signal),
    provider.check(options),
  ]);
  const { image, warnings } = await resolveSource(kit, source, name, options);
  const key = bakeKey({ recipe: digested, source: image, provider, version });
  const run = digest({
    recipe: digested,
    provider: name,
    version: version ?? null,
    owner: kit.owner,
  });
  return {
    provider,
    recipe: digested,
    version,
    source: image,
    key,
    existing: await findBaked(provider, key, options),
    runId: `bake/${recipe.name}/${name}/${run.slice(0, 16)}`,
    warnings,
  };
}

/** What a source means now. */
export async function resolveSource(
  kit: Imgkit,
  source: RecipeSource,
  provider: string,
  options: CallOptions,
): Promise<{ readonly image: Image; readonly warnings: readonly string[] }> {
  const { image, warnings } = await kit.images.forUse(source, { ...options, provider });
  return { image, warnings: warnings.map((warning) => warning.message) };
}

/** The source of a recipe at a provider. */
export function sourceFor(recipe: Recipe, provider: string): RecipeSource {
  const source = recipe.from[provider];
  if (source !== undefined) return source;
  throw invalid(
    `recipe ${recipe.name}.from`,
    `has no source for the provider ${provider}`,
    `It has some for: ${Object.keys(recipe.from).join(', ')}.`,
  );
}

/** Whether an image is what a bake with this key would give, and may be used. */
export function mayBeReused(image: Image, key: string): boolean {
  const { state } = image.deprecation;
  return (
    image.labels[bakeKeyLabel] === key &&
    image.published &&
    image.status === 'READY' &&
    (state === 'ACTIVE' || state === 'DEPRECATED')
  );
}

/** The image that was baked with this key and published, unless it must not be used any more. */
async function findBaked(
  provider: BakingProvider,
  key: string,
  options: CallOptions,
): Promise<Image | undefined> {
  for await (const image of provider.images.list(
    { labels: { [bakeKeyLabel]: key }, published: true },
    options,
  ))
    if (mayBeReused(image, key)) return image;
  return undefined;
}

/** The name of the image: a version may hold what a name may not. */
export function imageName(recipe: Recipe, version: string, generation: number): string {
  const suffix = generation === 1 ? '' : `-r${generation}`;
  return `${recipe.name}-${version
    .toLowerCase()
    .replaceAll(/[^a-z0-9]+/gu, '-')
    .replaceAll(/^-|-$/gu, '')}${suffix}`;
}

/**
 * The provider of this name, with all that baking needs.
 *
 * @throws {@link ImgkitError} `PROVIDER_NOT_FOUND`, `UNSUPPORTED`.
 */
export function bakingProvider(kit: Imgkit, recipe: Recipe, name: string): BakingProvider {
  const provider = kit.providers.get(name);
  if (
    !supports(provider, 'instances') ||
    !supports(provider, 'publishing') ||
    !provider.images.traits.sources.includes('instance')
  )
    throw new ImgkitError(
      'UNSUPPORTED',
      `the provider "${name}" can't bake "${recipe.name}": baking needs instances, images made from them, and publishing`,
      {
        provider: name,
        operation: 'bake',
      },
    );
  return provider;
}

function checkNames(
  recipe: Recipe,
  version: string | undefined,
  { images, instances }: BakingProvider,
): void {
  if (version !== undefined && !/^[A-Za-z0-9][A-Za-z0-9._+-]{0,62}$/u.test(version))
    throw invalid(
      'version',
      `${JSON.stringify(version)} can't be a version`,
      'Use letters, digits, dots, dashes and underscores, at most 63.',
    );
  const names = [
    [imageName(recipe, version ?? '20260101-000000', 1), images.traits.imageName, 'image'],
    [recipe.family, images.traits.familyName, 'family'],
    [machineName(recipe, 'builder', 'x'.repeat(8)), instances.traits.instanceName, 'instance'],
  ] as const;
  for (const [name, rule, what] of names)
    if (!rule.pattern.test(name))
      throw invalid(
        `recipe ${recipe.name}`,
        `the ${what} can't be called ${JSON.stringify(name)} here`,
        `The rule: ${rule.description}`,
      );
}

/** The name of a builder or verifier. */
export function machineName(recipe: Recipe, role: 'builder' | 'verifier', token: string): string {
  return `${recipe.name.slice(0, 30)}-${role}-${token.slice(0, 8)}`;
}
