import type { Providers } from '../plugin/providers.ts';
import type { CallOptions } from '../spec/call-options.ts';
import type { Grant, GrantOptions, Sharing } from '../spec/capabilities/sharing.ts';
import { ImgkitError } from '../spec/errors.ts';
import { formatPrincipal, type Principal } from '../spec/principal.ts';
import type { Provider } from '../spec/provider.ts';
import { formatRef, type ImageRef } from '../spec/ref.ts';
import { toRef, type ImageTarget } from './image-target.ts';

/** Lets others use images. */
export interface SharingService {
  /**
   * Lets `principals` use the image. What is wrong is refused before the cloud is asked, so that either all are
   * granted or none.
   *
   * @throws {@link ImgkitError} with `UNSUPPORTED` for a kind of principal the provider doesn't know, `INVALID_ARGUMENT`
   *   for none, twice the same, or one without an id, `FAILED_PRECONDITION` if the provider can only share more than the
   *   image and `allowWider` isn't set, `NOT_FOUND`.
   */
  grant(
    image: ImageTarget,
    principals: readonly Principal[],
    options?: GrantOptions,
  ): Promise<void>;

  /** Lists who may use the image, its owner not included. */
  list(image: ImageTarget, options?: CallOptions): AsyncIterable<Grant>;

  /**
   * Takes grants back; what exists goes on.
   *
   * @throws {@link ImgkitError} as {@link SharingService.grant} does.
   */
  revoke(
    image: ImageTarget,
    principals: readonly Principal[],
    options?: GrantOptions,
  ): Promise<void>;

  /** Accepts, as the consumer, an image that was shared with this project; `UNSUPPORTED` where nothing need be accepted. */
  accept(image: ImageTarget, options?: CallOptions): Promise<void>;

  /** Rejects, as the consumer, an image that was shared with this project; `UNSUPPORTED` where nothing need be accepted. */
  reject(image: ImageTarget, options?: CallOptions): Promise<void>;
}

/** Makes the sharing service. */
export function createSharingService(providers: Providers): SharingService {
  const find = (target: ImageTarget) => {
    const ref = toRef(target);
    return { ref, provider: providers.require(ref.provider, 'sharing') };
  };
  return {
    async grant(target, principals, options) {
      const { ref, provider } = find(target);
      check(provider, ref, 'grant', principals, options);
      await provider.sharing.grant(ref.id, principals, options);
    },

    async *list(target, options) {
      const { ref, provider } = find(target);
      yield* provider.sharing.list(ref.id, options);
    },

    async revoke(target, principals, options) {
      const { ref, provider } = find(target);
      check(provider, ref, 'revoke', principals, options);
      await provider.sharing.revoke(ref.id, principals, options);
    },

    async accept(target, options) {
      const { ref, provider } = find(target);
      if (provider.sharing.accept === undefined) throw nothingToAccept(provider, ref);
      await provider.sharing.accept(ref.id, options);
    },

    async reject(target, options) {
      const { ref, provider } = find(target);
      if (provider.sharing.reject === undefined) throw nothingToAccept(provider, ref);
      await provider.sharing.reject(ref.id, options);
    },
  };
}

function check(
  provider: Provider & { readonly sharing: Sharing },
  ref: ImageRef,
  operation: 'grant' | 'revoke',
  principals: readonly Principal[],
  options: GrantOptions = {},
): void {
  const { unit, principals: kinds } = provider.sharing.traits;
  const details = {
    provider: provider.name,
    operation: `sharing.${operation}`,
    resource: ref.id,
  };
  const texts = principals.map(formatPrincipal);
  if (texts.length === 0 || new Set(texts).size < texts.length) {
    const what = texts.length === 0 ? 'nobody is' : 'somebody is twice';
    throw new ImgkitError('INVALID_ARGUMENT', `${what} named to ${operation} ${formatRef(ref)}`, {
      ...details,
      hint: "Name each once: [project('team-a')].",
    });
  }
  for (const principal of principals) {
    if (!kinds.includes(principal.kind)) {
      throw new ImgkitError(
        'UNSUPPORTED',
        `provider "${provider.name}" doesn't share with a principal of kind "${principal.kind}"`,
        { ...details, hint: `It knows: ${kinds.join(', ')}.` },
      );
    }
    if (principal.kind !== 'everyone' && !/^\S+$/.test(principal.id)) {
      throw new ImgkitError(
        'INVALID_ARGUMENT',
        `"${principal.id}" can't be the id of a ${principal.kind}`,
        { ...details, hint: 'An id is not empty and has no spaces.' },
      );
    }
  }
  if (unit !== 'image' && options.allowWider !== true) {
    throw new ImgkitError(
      'FAILED_PRECONDITION',
      `provider "${provider.name}" shares by the ${unit}: this would reach more than ${formatRef(ref)}`,
      { ...details, hint: `If all of the ${unit} is meant, say { allowWider: true }.` },
    );
  }
}

function nothingToAccept(provider: Provider, ref: ImageRef): ImgkitError {
  return new ImgkitError('UNSUPPORTED', `grants of provider "${provider.name}" work at once`, {
    provider: provider.name,
    resource: ref.id,
    hint: 'Nothing need be accepted or rejected there.',
  });
}
