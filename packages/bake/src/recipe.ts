import { ImgkitError, type FamilySelector, type ImageRef, type Labels } from '@imgkit/core';
import { checkMembers, checkText, checkUser, checkWholeNumber, invalid } from './check.ts';
import { parseDuration, type Duration } from './duration.ts';
import type { Provisioner } from './provisioner.ts';
import type { SealOptions } from './seal.ts';
import type { Secret } from './secret.ts';

/** What an image is baked from: the head of a family, or one image, by its ref or the text form of it. */
export type RecipeSource = FamilySelector | ImageRef | string;

/** What {@link recipe} takes. */
export interface RecipeOptions {
  /** For each provider, by its name, the one source it bakes from. */
  readonly from: Readonly<Record<string, RecipeSource>>;
  /** What is done to the builder, in this order. */
  readonly provision: readonly Provisioner[];
  /** What is done to a fresh machine booted from the candidate; when one of them fails, the image isn't published. Without any, none is booted. */
  readonly verify?: readonly Provisioner[] | undefined;
  /** What is done to the builder when provisioning fails, for example to fetch a log. Its own failure is a warning. */
  readonly onFailure?: Provisioner | undefined;
  /** The family the image is published to. */
  readonly family: string;
  /** What is cleaned of the builder's identity; `false` for nothing. */
  readonly seal?: SealOptions | false | undefined;
  /** The user to log in as; the provider's default otherwise. It must be root, or use sudo without a password. */
  readonly user?: string | undefined;
  /** The size of builder and verifier. */
  readonly machineType?:
    | string
    | { readonly cpus: number; readonly memoryBytes: number }
    | undefined;
  /** The size of the boot disk, in bytes; the source's by default. */
  readonly diskSizeBytes?: number | undefined;
  /** How long a machine may take until it can be reached. Default: ten minutes. */
  readonly bootTimeout?: Duration | undefined;
  /** Labels of the image. */
  readonly labels?: Labels | undefined;
  /** What the image is, in words. */
  readonly description?: string | undefined;
}

/** How an image is baked, wherever. Made and checked by {@link recipe}. */
export interface Recipe extends RecipeOptions {
  /** Its name: the first part of the names of its images. */
  readonly name: string;
  readonly verify: readonly Provisioner[];
  /** In milliseconds. */
  readonly bootTimeoutMs: number;
}

const members = [
  'from',
  'provision',
  'verify',
  'onFailure',
  'family',
  'seal',
  'user',
  'machineType',
  'diskSizeBytes',
  'bootTimeout',
  'labels',
  'description',
];

/**
 * Says how to bake an image, independent of where; {@link bake} does it. All that can be known to be wrong is refused here.
 *
 * @param name - Lower-case letters, digits and dashes, at most 40: images are called `<name>-<version>`.
 * @throws {@link ImgkitError} `INVALID_ARGUMENT`, with the field in `data.path`.
 *
 * @example
 * ```ts
 * import { family } from '@imgkit/core';
 * import { reboot, recipe, shell } from '@imgkit/bake';
 *
 * const web = recipe('web', {
 *   from: { qemu: family('debian-12') },
 *   provision: [shell({ inline: ['apt-get install -y nginx'] }), reboot()],
 *   verify: [shell({ inline: ['systemctl is-active nginx'] })],
 *   family: 'web',
 * });
 * console.log(web.name);
 * ```
 */
export function recipe(name: string, options: RecipeOptions): Recipe {
  if (typeof name !== 'string' || !/^[a-z]([a-z0-9-]{0,38}[a-z0-9])?$/u.test(name))
    throw invalid(
      'name',
      `${JSON.stringify(name)} can't be the name of a recipe`,
      'Use lower-case letters, digits and dashes, a letter first, at most 40.',
    );
  const path = `recipe ${name}`;
  checkMembers(options, path, members);
  checkSources(options.from, `${path}.from`);
  checkText(options.family, `${path}.family`);
  checkSteps(options.provision, `${path}.provision`);
  checkSteps(options.verify ?? [], `${path}.verify`);
  if (options.onFailure !== undefined) checkSteps([options.onFailure], `${path}.onFailure`);
  if (options.seal !== undefined && options.seal !== false)
    checkMembers(options.seal, `${path}.seal`, ['packageCaches', 'logs']);
  checkUser(options.user, `${path}.user`);
  checkWholeNumber(options.diskSizeBytes, `${path}.diskSizeBytes`, 1, Number.MAX_SAFE_INTEGER);
  for (const label of Object.keys(options.labels ?? {}))
    if (label.startsWith('imgkit-'))
      throw invalid(`${path}.labels.${label}`, 'is reserved: imgkit sets such labels itself');
  const bootTimeoutMs = parseDuration(options.bootTimeout ?? '10m', `${path}.bootTimeout`);
  return { ...options, name, verify: options.verify ?? [], bootTimeoutMs };
}

/** All secrets that a recipe uses. */
export function secretsOf(one: Recipe): readonly Secret[] {
  return [
    ...one.provision,
    ...one.verify,
    ...(one.onFailure === undefined ? [] : [one.onFailure]),
  ].flatMap((step) => step.secrets ?? []);
}

function checkSources(from: RecipeOptions['from'], path: string): void {
  if (typeof from !== 'object' || from === null || 'kind' in from || Object.keys(from).length === 0)
    throw invalid(
      path,
      'must name a source for at least one provider',
      "Write, for example, { qemu: family('debian-12') }.",
    );
  for (const [provider, source] of Object.entries(from))
    checkSource(source, `${path}.${provider}`, provider);
}

/** Plain JavaScript may pass anything, above all two sources at a time. */
function checkSource(source: unknown, path: string, provider: string): void {
  if (typeof source === 'string') {
    if (!source.startsWith(`${provider}:`) || source.length === provider.length + 1)
      throw invalid(
        path,
        `${JSON.stringify(source)} is not an image of the provider ${provider}`,
        `Write family('name'), or an image as ${provider}:<id>.`,
      );
    return;
  }
  const hint = "Give exactly one: family('name'), or one image by its ref.";
  if (typeof source !== 'object' || source === null || Array.isArray(source))
    throw invalid(path, 'needs exactly one source', hint);
  const isFamily =
    Reflect.get(source, 'kind') === 'family' && typeof Reflect.get(source, 'family') === 'string';
  const isRef =
    typeof Reflect.get(source, 'provider') === 'string' &&
    typeof Reflect.get(source, 'id') === 'string';
  const known = isFamily ? ['kind', 'family', 'project'] : ['provider', 'id'];
  if (isFamily === isRef || Object.keys(source).some((key) => !known.includes(key)))
    throw invalid(path, 'needs exactly one source', hint);
  if (isRef && Reflect.get(source, 'provider') !== provider)
    throw invalid(
      path,
      `the image is of the provider ${String(Reflect.get(source, 'provider'))}, not of ${provider}`,
    );
}

function checkSteps(steps: readonly Provisioner[], path: string): void {
  if (!Array.isArray(steps)) throw invalid(path, 'must be a list of steps');
  steps.forEach((step: Provisioner, index) => {
    const here = `${path}[${index}]`;
    if (
      typeof step !== 'object' ||
      step === null ||
      typeof step.run !== 'function' ||
      typeof step.kind !== 'string' ||
      typeof step.label !== 'string'
    )
      throw invalid(
        here,
        'is not a step',
        'Make it with shell(), file() or reboot(), or give an object of the interface Provisioner.',
      );
    try {
      step.check?.(here);
    } catch (error) {
      throw ImgkitError.is(error)
        ? error
        : new ImgkitError('INVALID_ARGUMENT', `${here}: ${String(error)}`, {
            cause: error,
            data: { path: here },
          });
    }
  });
}
