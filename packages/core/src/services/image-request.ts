import type { CreateImageRequest, NameRule } from '../spec/capabilities/images.ts';
import { ImgkitError } from '../spec/errors.ts';
import type { Provider } from '../spec/provider.ts';
import { checkDeprecation } from './deprecation-dates.ts';

/**
 * Checks a new image's request against what its provider says of itself.
 *
 * @throws {@link ImgkitError} with `INVALID_ARGUMENT`, or `UNSUPPORTED` for a kind of source the provider doesn't take.
 */
export function checkCreateRequest(provider: Provider, request: CreateImageRequest): void {
  const { sources, imageName } = provider.images.traits;
  const { name, source, family, version, staged, deprecation } = request;
  checkName(provider, 'image', name, imageName);
  if (family !== undefined) checkFamilyName(provider, family);
  if (family === undefined && (version !== undefined || staged !== undefined)) {
    throw refused(provider, name, `image "${name}" has a version or is staged, but has no family`);
  }
  if (typeof source !== 'object' || source === null || typeof source.kind !== 'string') {
    throw refused(provider, name, `image "${name}" has no source: it needs exactly one`);
  }
  if (!sources.includes(source.kind)) {
    throw new ImgkitError(
      'UNSUPPORTED',
      `provider "${provider.name}" makes no images of a source of kind "${source.kind}"`,
      {
        provider: provider.name,
        operation: 'images.create',
        resource: name,
        hint: `It takes: ${sources.join(', ')}.`,
      },
    );
  }
  if (source.kind === 'image' && source.image.provider !== provider.name) {
    throw refused(
      provider,
      name,
      `image "${name}" can't be made of an image of provider "${source.image.provider}"`,
    );
  }
  if (deprecation !== undefined) checkDeprecation(deprecation);
}

/** @throws {@link ImgkitError} with `INVALID_ARGUMENT` for a family that the provider can't have. */
export function checkFamilyName(provider: Provider, family: string): void {
  checkName(provider, 'family', family, provider.images.traits.familyName);
}

function checkName(provider: Provider, what: string, name: string, rule: NameRule): void {
  if (
    typeof name === 'string' &&
    new RegExp(`^(?:${rule.pattern.source})$`, rule.pattern.flags.replace(/[gy]/g, '')).test(name)
  )
    return;
  throw refused(
    provider,
    name,
    `"${name}" can't name ${what === 'image' ? 'an image' : 'a family'} of provider "${provider.name}"`,
    `The rule there: ${rule.description}.`,
  );
}

function refused(provider: Provider, resource: string, message: string, hint?: string) {
  return new ImgkitError('INVALID_ARGUMENT', message, {
    provider: provider.name,
    operation: 'images.create',
    resource,
    hint,
  });
}
