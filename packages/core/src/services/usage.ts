import { throwIfAborted } from '../plugin/operation.ts';
import type { Providers } from '../plugin/providers.ts';
import type { CallOptions } from '../spec/call-options.ts';
import type { ImageUser, UsageReport } from '../spec/capabilities/usage.ts';
import { ImgkitError } from '../spec/errors.ts';
import type { Image } from '../spec/image.ts';
import { formatPrincipal } from '../spec/principal.ts';
import type { Provider } from '../spec/provider.ts';
import type { Channels } from './channels.ts';
import { findHead } from './family-head.ts';
import { readImage, sameImage, type ImageTarget } from './image-target.ts';

/** Tells who uses an image. */
export interface UsageService {
  /**
   * Tells what uses an image: what its provider knows of (instances, templates, fleets, disks, child images), and
   * family heads, channels and grants. What can't be asked makes the report incomplete, and is named in it; then
   * the image must not be deleted.
   *
   * @throws {@link ImgkitError} with `NOT_FOUND` if there is no such image, `CANCELLED`.
   */
  of(image: ImageTarget, options?: CallOptions): Promise<UsageReport>;
}

/** Makes the usage service. */
export function createUsageService(providers: Providers, channels: Channels): UsageService {
  return {
    async of(target, options) {
      const { provider, image } = await readImage(providers, target, options);
      const users: ImageUser[] = [];
      const unanswered: string[] = [];
      /** A question that fails makes the report incomplete; it doesn't keep the others from being asked. */
      const ask = async (what: string, question: () => AsyncIterable<ImageUser>): Promise<void> => {
        try {
          for await (const user of question()) users.push(user);
        } catch (error) {
          throwIfAborted(options?.signal);
          if (ImgkitError.is(error, 'NOT_FOUND') && error.resource === image.ref.id) throw error;
          unanswered.push(`${what}: ${error instanceof Error ? error.message : String(error)}`);
        }
      };

      await ask(`users at provider "${provider.name}"`, () =>
        askProvider(provider, image, unanswered, options),
      );
      await ask('child images', () => findChildren(provider, image, users, options));
      await ask('family head', () => findHeadship(provider, image, options));
      await ask('channels', () => findChannels(providers, channels, image, options));
      await ask('grants', () => findGrants(provider, image, options));
      return { users, complete: unanswered.length === 0, unanswered };
    },
  };
}

async function* askProvider(
  provider: Provider,
  image: Image,
  unanswered: string[],
  options: CallOptions | undefined,
): AsyncGenerator<ImageUser> {
  if (provider.usage === undefined) {
    unanswered.push(`provider "${provider.name}" can't tell who uses an image`);
    return;
  }
  const report = await provider.usage.of(image.ref.id, options);
  yield* report.users;
  unanswered.push(...report.unanswered);
  if (!report.complete && report.unanswered.length === 0) {
    unanswered.push(`provider "${provider.name}" couldn't ask everything`);
  }
}

async function* findChildren(
  provider: Provider,
  image: Image,
  known: readonly ImageUser[],
  options: CallOptions | undefined,
): AsyncGenerator<ImageUser> {
  const children = known.filter(({ kind }) => kind === 'image').map(({ id }) => id);
  for await (const { ref, name, origin } of provider.images.list({}, options)) {
    if (origin?.kind !== 'image' || !provider.sameId(origin.id, image.ref.id)) continue;
    if (children.some((id) => provider.sameId(id, ref.id))) continue;
    yield { kind: 'image', id: ref.id, reason: `image "${name}" was made of it` };
  }
}

async function* findHeadship(
  provider: Provider,
  image: Image,
  options: CallOptions | undefined,
): AsyncGenerator<ImageUser> {
  const { family, project } = image;
  if (family === undefined) return;
  const head = await findHead(provider, { kind: 'family', family, project }, options);
  if (head === undefined || !provider.sameId(head.ref.id, image.ref.id)) return;
  yield { kind: 'family-head', id: family, reason: `it is the head of family "${family}"` };
}

async function* findChannels(
  providers: Providers,
  channels: Channels,
  image: Image,
  options: CallOptions | undefined,
): AsyncGenerator<ImageUser> {
  for await (const channel of channels.list(image.ref.provider, undefined, options)) {
    if (!sameImage(providers, channel.image, image.ref)) continue;
    const id = `${channel.family}/${channel.name}`;
    yield { kind: 'channel', id, reason: `channel "${id}" points to it` };
  }
}

async function* findGrants(
  provider: Provider,
  image: Image,
  options: CallOptions | undefined,
): AsyncGenerator<ImageUser> {
  if (provider.sharing === undefined) return;
  for await (const { principal, state } of provider.sharing.list(image.ref.id, options)) {
    if (state === 'REJECTED') continue;
    const id = formatPrincipal(principal);
    yield { kind: 'grant', id, reason: `it is shared with ${id}` };
  }
}
