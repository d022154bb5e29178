import type { Clock } from '../engine/index.ts';
import type { Providers } from '../plugin/providers.ts';
import type { CallOptions } from '../spec/call-options.ts';
import type { ImageRef } from '../spec/ref.ts';
import {
  checkChannelName,
  checkChannelTarget,
  missingChannel,
  nothingBefore,
} from './channel-rules.ts';
import { readImage, sameImage, type ImageTarget } from './image-target.ts';
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
    return all[name] ?? missingChannel(provider, family, name, Object.keys(all));
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
        if (image === undefined) throw nothingBefore(provider, family, name);
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
      checkChannelTarget(image, provider, family);
      const trail = current?.trail ?? [];
      const last = trail.at(-1);
      const there = last !== undefined && sameImage(providers, last, image.ref);
      return { trail: there ? trail : [...trail, image.ref], by };
    });

  return {
    async set(provider, family, name, target, options) {
      checkChannelName(name);
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
        if (current === undefined) return missingChannel(provider, family, name, []);
        const trail = current.trail.slice(0, -1);
        const target = trail.at(-1);
        if (target === undefined) throw nothingBefore(provider, family, name);
        checkChannelTarget((await readImage(providers, target, options)).image, provider, family);
        return { trail, by: 'roll-back' };
      }),

    async promote(provider, family, { from, to }, options) {
      checkChannelName(to);
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
  if (last === undefined) return missingChannel(provider, family, name, []);
  return { provider, family, name, image: last.image, since: last.at };
}
