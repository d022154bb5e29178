import type { Clock } from '../engine/index.ts';
import type { Providers } from '../plugin/providers.ts';
import type { CallOptions } from '../spec/call-options.ts';
import { ImgkitError } from '../spec/errors.ts';
import type { Image } from '../spec/image.ts';
import { formatRef, type ImageRef } from '../spec/ref.ts';
import { nameOf, readImage, sameImage, type ImageTarget } from './image-target.ts';
import { near } from '../near-names.ts';
import { familyKey } from './publication-record.ts';
import type { Collection, StateStore } from './state-store.ts';

/** One move of a channel. */
export interface ChannelMove {
  /** What it points to since. */
  readonly image: ImageRef;
  /** How it came there. */
  readonly by: 'set' | 'promotion' | 'roll-back';
  /** When, as an ISO 8601 instant. */
  readonly at: string;
}

/** A named pointer into a family: `dev`, `stage`, `prod`. */
export interface Channel {
  readonly provider: string;
  readonly family: string;
  readonly name: string;
  /** What it points to. */
  readonly image: ImageRef;
  /** Since when, as an ISO 8601 instant. */
  readonly since: string;
}

/** Named pointers into families, with their history. They are the kit's own: no cloud knows them. */
export interface Channels {
  /**
   * Points a channel to an image of the family; the channel is made when it isn't there. Setting what is set changes nothing.
   *
   * @throws {@link ImgkitError} with `FAILED_PRECONDITION` if the image is of another family or not READY,
   *   `IMAGE_OBSOLETE` or `IMAGE_DELETED`, `NOT_FOUND`, `INVALID_ARGUMENT` for a bad name of a channel.
   */
  set(
    provider: string,
    family: string,
    channel: string,
    image: ImageTarget,
    options?: CallOptions,
  ): Promise<Channel>;

  /** @throws {@link ImgkitError} with `NOT_FOUND`, naming the family's channels. */
  get(provider: string, family: string, channel: string, options?: CallOptions): Promise<Channel>;

  /** Lists the channels of a family, or of all families of a provider, by name. */
  list(provider: string, family?: string, options?: CallOptions): AsyncIterable<Channel>;

  /** Lists all moves of a channel, the newest first. */
  history(
    provider: string,
    family: string,
    channel: string,
    options?: CallOptions,
  ): AsyncIterable<ChannelMove>;

  /**
   * Points a channel to what it pointed to before; again, to what it pointed to before that.
   *
   * @throws {@link ImgkitError} with `FAILED_PRECONDITION` if it never pointed to anything else, or that can't be used any more.
   */
  rollBack(
    provider: string,
    family: string,
    channel: string,
    options?: CallOptions,
  ): Promise<Channel>;

  /**
   * Points one channel to what another points to: `{ from: 'stage', to: 'prod' }`.
   *
   * @throws {@link ImgkitError} as {@link Channels.get} and {@link Channels.set} do.
   */
  promote(
    provider: string,
    family: string,
    move: { readonly from: string; readonly to: string },
    options?: CallOptions,
  ): Promise<Channel>;
}

/** What is stored of a channel. */
interface ChannelRecord {
  readonly family: string;
  readonly name: string;
  /** What it pointed to and would roll back to, the oldest first; the last one is where it points. */
  readonly trail: readonly ImageRef[];
  /** All moves, the oldest first. */
  readonly moves: readonly ChannelMove[];
}

const records: Collection<Readonly<Record<string, ChannelRecord>>> = { name: 'channels' };
const namePattern = /^[a-z0-9][a-z0-9._-]{0,62}$/;
const remembered = 200;

/** What channels work with. */
export interface ChannelParts {
  readonly providers: Providers;
  readonly store: StateStore;
  readonly clock: Clock;
}

/** Makes the channels of a kit. */
export function createChannels({ providers, store, clock }: ChannelParts): Channels {
  const read = async (provider: string, family: string, options?: CallOptions) =>
    (await store.read(records, familyKey(providers.get(provider), family), options)) ?? {};

  const find = async (provider: string, family: string, name: string, options?: CallOptions) => {
    const all = await read(provider, family, options);
    return all[name] ?? missing(provider, family, name, Object.keys(all));
  };

  /** Changes one channel while nobody else does. */
  const move = (
    provider: string,
    family: string,
    name: string,
    options: CallOptions | undefined,
    next: (
      current: ChannelRecord | undefined,
    ) => Promise<{ readonly trail: readonly ImageRef[]; readonly by: ChannelMove['by'] }>,
  ): Promise<Channel> => {
    const key = familyKey(providers.get(provider), family);
    return store.lock(
      `channels ${key}`,
      async () => {
        const all = (await store.read(records, key, options)) ?? {};
        const current = all[name];
        const { trail, by } = await next(current);
        const image = trail.at(-1);
        if (image === undefined) throw neverElsewhere(provider, family, name);
        const at = new Date(clock.now()).toISOString();
        const record: ChannelRecord = {
          family,
          name,
          trail: trail.slice(-remembered),
          moves: [...(current?.moves ?? []), { image, by, at }].slice(-remembered),
        };
        if (current !== undefined && trail === current.trail) return describe(provider, current);
        await store.write(records, key, { ...all, [name]: record }, options);
        return describe(provider, record);
      },
      options,
    );
  };

  const point = (
    provider: string,
    family: string,
    name: string,
    target: ImageTarget,
    by: ChannelMove['by'],
    options?: CallOptions,
  ): Promise<Channel> =>
    move(provider, family, name, options, async (current) => {
      const { image } = await readImage(providers, target, options);
      checkTarget(image, provider, family);
      const trail = current?.trail ?? [];
      const last = trail.at(-1);
      const there = last !== undefined && sameImage(providers, last, image.ref);
      return { trail: there ? trail : [...trail, image.ref], by };
    });

  return {
    async set(provider, family, name, target, options) {
      checkName(name);
      return point(provider, family, name, target, 'set', options);
    },

    async get(provider, family, name, options) {
      return describe(provider, await find(provider, family, name, options));
    },

    async *list(provider, family, options) {
      const { project } = providers.get(provider);
      if (family !== undefined) {
        yield* channelsOf(provider, await read(provider, family, options));
        return;
      }
      for await (const { key, value } of store.list(records, options)) {
        if (key.startsWith(JSON.stringify([provider, project]).slice(0, -1))) {
          yield* channelsOf(provider, value);
        }
      }
    },

    async *history(provider, family, name, options) {
      yield* (await find(provider, family, name, options)).moves.toReversed();
    },

    rollBack: (provider, family, name, options) =>
      move(provider, family, name, options, async (current) => {
        if (current === undefined) return missing(provider, family, name, []);
        const trail = current.trail.slice(0, -1);
        const target = trail.at(-1);
        if (target === undefined) throw neverElsewhere(provider, family, name);
        checkTarget((await readImage(providers, target, options)).image, provider, family);
        return { trail, by: 'roll-back' };
      }),

    async promote(provider, family, { from, to }, options) {
      checkName(to);
      const source = await find(provider, family, from, options);
      return point(provider, family, to, describe(provider, source).image, 'promotion', options);
    },
  };
}

function* channelsOf(provider: string, all: Readonly<Record<string, ChannelRecord>>) {
  for (const name of Object.keys(all).toSorted()) {
    const record = all[name];
    if (record !== undefined) yield describe(provider, record);
  }
}

function describe(provider: string, { family, name, moves }: ChannelRecord): Channel {
  const last = moves.at(-1);
  if (last === undefined) return missing(provider, family, name, []);
  return { provider, family, name, image: last.image, since: last.at };
}

function checkName(name: string): void {
  if (namePattern.test(name)) return;
  throw new ImgkitError('INVALID_ARGUMENT', `"${name}" can't name a channel`, {
    resource: name,
    hint: 'Use up to 63 lower case letters, digits, dots, dashes and underscores.',
  });
}

function checkTarget(image: Image, provider: string, family: string): void {
  const { state, replacement } = image.deprecation;
  const details = { provider, operation: 'channels.set', resource: image.ref.id };
  if (state === 'OBSOLETE' || state === 'DELETED') {
    const code = state === 'OBSOLETE' ? 'IMAGE_OBSOLETE' : 'IMAGE_DELETED';
    throw new ImgkitError(code, `${nameOf(image)} is ${state}: no channel may point to it`, {
      ...details,
      replacement: replacement === undefined ? undefined : formatRef(replacement),
    });
  }
  const trouble =
    image.ref.provider !== provider
      ? `is of provider "${image.ref.provider}", not "${provider}"`
      : image.family !== family
        ? `is not of family "${family}"`
        : image.status !== 'READY'
          ? `is ${image.status}, not READY`
          : undefined;
  if (trouble === undefined) return;
  throw new ImgkitError('FAILED_PRECONDITION', `${nameOf(image)} ${trouble}`, {
    ...details,
    hint: 'A channel points to a READY image of its family.',
  });
}

function missing(provider: string, family: string, name: string, others: readonly string[]): never {
  const alike = near(name, others);
  throw new ImgkitError('NOT_FOUND', `family "${family}" has no channel "${name}"`, {
    provider,
    resource: name,
    hint:
      alike.length > 0
        ? `Did you mean: ${alike.join(', ')}?`
        : `Its channels are: ${others.join(', ') || 'none'}.`,
  });
}

function neverElsewhere(provider: string, family: string, name: string): ImgkitError {
  return new ImgkitError(
    'FAILED_PRECONDITION',
    `channel "${name}" of family "${family}" has nothing to roll back to`,
    { provider, resource: name, hint: 'It never pointed to anything else.' },
  );
}
