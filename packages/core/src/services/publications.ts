import type { Clock } from '../engine/index.ts';
import type { Logger } from '../logger.ts';
import type { Providers } from '../plugin/providers.ts';
import type { CallOptions } from '../spec/call-options.ts';
import type { Publishing } from '../spec/capabilities/publishing.ts';
import { ImgkitError } from '../spec/errors.ts';
import type { Image } from '../spec/image.ts';
import type { Provider } from '../spec/provider.ts';
import { formatRef, type ImageRef } from '../spec/ref.ts';
import { changeDeprecation } from './deprecation-change.ts';
import { rank } from './deprecation-dates.ts';
import type {
  PublishOptions,
  PublishResult,
  RollbackOptions,
  RollbackResult,
  WithdrawnState,
} from './families.ts';
import { findHead } from './family-head.ts';
import { checkFamilyName } from './image-request.ts';
import { findImage, readImage, sameImage, toRef, type ImageTarget } from './image-target.ts';
import {
  familyKey,
  histories,
  lastStanding,
  withPublication,
  type Predecessor,
  type Publication,
} from './publication-record.ts';
import { checkPublishable, familyToPublish, notTheLast } from './publication-rules.ts';
import { checkReplacement } from './replacement-chain.ts';
import type { StateStore } from './state-store.ts';

/** What publications work with. */
export interface PublicationParts {
  readonly providers: Providers;
  readonly store: StateStore;
  readonly clock: Clock;
  readonly logger: Logger;
}

type Publisher = Provider & { readonly publishing: Publishing };

/**
 * Publishes images and takes it back. The order leaves no window: publish, then deprecate; restore, then withdraw. A
 * record with everything as it was is written before the first change, and each change can be made again, so that
 * whoever comes after a crash finishes it.
 */
export class Publications {
  readonly #parts: PublicationParts;

  constructor(parts: PublicationParts) {
    this.#parts = parts;
  }

  /** See `FamilyService.publish`. */
  async publish(target: ImageTarget, options: PublishOptions = {}): Promise<PublishResult> {
    const { providers, store } = this.#parts;
    const ref = toRef(target);
    const provider = providers.require(ref.provider, 'publishing');
    const { deprecatePredecessors: becoming = 'DEPRECATED' } = options;
    if (becoming !== false) providers.require(ref.provider, 'deprecation');
    const staged = await provider.images.get(ref.id, options);
    const family = familyToPublish(staged, options.family);
    checkFamilyName(provider, family);

    return this.#alone(provider, family, options, async () => {
      await this.#settle(provider, family, options);
      const image = await provider.images.get(ref.id, options);
      checkPublishable(image, family);
      const predecessors =
        becoming === false
          ? []
          : await this.#findPredecessors(provider, family, image, becoming, options);
      const last = lastStanding(await store.read(histories, familyKey(provider, family), options));
      const version = options.version ?? image.version;
      const again =
        last !== undefined &&
        sameImage(providers, last.image, ref) &&
        image.published &&
        image.version === version;
      if (again && predecessors.length === 0) {
        return this.#report(provider, family, last, options);
      }
      const publication: Publication = {
        id: crypto.randomUUID(),
        image: image.ref,
        version,
        versionBefore: image.version,
        wasPublished: image.published,
        predecessors,
        at: new Date(this.#parts.clock.now()).toISOString(),
        state: 'PUBLISHING',
      };
      await this.#record(provider, family, publication);
      await provider.publishing.publish(image.ref.id, { family, version }, options);
      await this.#deprecate(provider, family, publication, options);
      return this.#report(provider, family, publication, options);
    });
  }

  /** See `FamilyService.withdraw`. */
  async withdraw(target: ImageTarget, options?: CallOptions): Promise<Image> {
    const ref = toRef(target);
    const provider = this.#parts.providers.require(ref.provider, 'publishing');
    return provider.publishing.withdraw(ref.id, options);
  }

  /** See `FamilyService.rollback`. */
  async rollback(
    name: string,
    family: string,
    options: RollbackOptions = {},
  ): Promise<RollbackResult> {
    const { providers, store } = this.#parts;
    const provider = providers.require(name, 'publishing');
    return this.#alone(provider, family, options, async () => {
      const last = lastStanding(await store.read(histories, familyKey(provider, family), options));
      if (last === undefined || (options.undo !== undefined && options.undo !== last.id)) {
        throw notTheLast(name, family, options.undo, last);
      }
      return this.#undo(provider, family, last, options);
    });
  }

  /** One publication or rollback of a family at a time, in all processes. */
  #alone<T>(
    provider: Provider,
    family: string,
    options: CallOptions,
    work: () => Promise<T>,
  ): Promise<T> {
    return this.#parts.store.lock(`family ${familyKey(provider, family)}`, work, options);
  }

  /** Finishes what a crash, or a failure, left half done. */
  async #settle(provider: Publisher, family: string, options: CallOptions): Promise<void> {
    const key = familyKey(provider, family);
    const last = lastStanding(await this.#parts.store.read(histories, key, options));
    if (last === undefined || last.state === 'PUBLISHED') return;
    this.#parts.logger.info('finishing a publication that was cut off', {
      provider: provider.name,
      family,
      image: formatRef(last.image),
      state: last.state,
    });
    const found = await findImage(this.#parts.providers, last.image, options);
    const published = found?.image.published === true && found.image.family === family;
    // Predecessors are only touched once the image is published: if it isn't, they get back what they had.
    if (last.state === 'PUBLISHING' && published) {
      await this.#deprecate(provider, family, last, options);
    } else {
      await this.#undo(provider, family, last, options);
    }
  }

  async #findPredecessors(
    provider: Publisher,
    family: string,
    image: Image,
    state: WithdrawnState,
    options: CallOptions,
  ): Promise<readonly Predecessor[]> {
    const predecessors: Predecessor[] = [];
    for await (const other of provider.images.list({ family, published: true }, options)) {
      if (provider.sameId(other.ref.id, image.ref.id)) continue;
      if (rank(other.deprecation.state) >= rank(state)) continue;
      const after = { ...other.deprecation, state, replacement: image.ref };
      predecessors.push({ image: other.ref, before: other.deprecation, after });
    }
    if (predecessors.length > 0 && image.deprecation.replacement !== undefined) {
      for (const { image: other } of predecessors) {
        await checkReplacement(this.#parts.providers, other, image.ref, options);
      }
    }
    return predecessors;
  }

  async #deprecate(
    provider: Publisher,
    family: string,
    publication: Publication,
    options: CallOptions,
  ): Promise<void> {
    for (const { image, before, after } of publication.predecessors) {
      await changeDeprecation(this.#parts, image, before, after, options);
    }
    await this.#record(provider, family, { ...publication, state: 'PUBLISHED' });
  }

  async #undo(
    provider: Publisher,
    family: string,
    publication: Publication,
    options: CallOptions,
  ): Promise<RollbackResult> {
    await this.#record(provider, family, { ...publication, state: 'ROLLING_BACK' });
    const restored: Image[] = [];
    const untouched: { image: ImageRef; reason: string }[] = [];
    for (const { image, before, after } of publication.predecessors) {
      const result = await changeDeprecation(this.#parts, image, after, before, options);
      if (typeof result === 'string') untouched.push({ image, reason: result });
      else restored.push(result);
    }
    let image: Image | undefined;
    try {
      const { id } = publication.image;
      image = publication.wasPublished
        ? await this.#restoreVersion(provider, family, publication, options)
        : await provider.publishing.withdraw(id, options);
    } catch (error) {
      if (!ImgkitError.is(error, 'NOT_FOUND')) throw error; // gone: it surely isn't the head
    }
    await this.#record(provider, family, { ...publication, state: 'ROLLED_BACK' });
    const head = await findHead(provider, { kind: 'family', family }, options);
    return { image, restored, untouched, head };
  }

  /** An image that was published before, only with another version, gets that back; no cloud can take away one that it was given. */
  async #restoreVersion(
    provider: Publisher,
    family: string,
    publication: Publication,
    options: CallOptions,
  ): Promise<Image> {
    const { version, versionBefore } = publication;
    const { image } = await readImage(this.#parts.providers, publication.image, options);
    const isOurs = image.published && image.family === family && image.version === version;
    const canBe = image.status === 'READY' && image.deprecation.state === 'ACTIVE';
    if (!isOurs || !canBe || versionBefore === undefined || versionBefore === version) return image;
    return provider.publishing.publish(image.ref.id, { family, version: versionBefore }, options);
  }

  async #record(provider: Provider, family: string, publication: Publication): Promise<void> {
    const { store } = this.#parts;
    const key = familyKey(provider, family);
    // Not with the caller's signal: what was done is written down even when nobody waits any more.
    await store.write(
      histories,
      key,
      withPublication(await store.read(histories, key), publication),
    );
  }

  async #report(
    provider: Publisher,
    family: string,
    publication: Publication,
    options: CallOptions,
  ): Promise<PublishResult> {
    const { providers, logger } = this.#parts;
    const { image } = await readImage(providers, publication.image, options);
    const found = await Promise.all(
      publication.predecessors.map((one) => findImage(providers, one.image, options)),
    );
    const head = await findHead(provider, { kind: 'family', family }, options);
    const isHead = head !== undefined && sameImage(providers, head.ref, image.ref);
    logger.info('published', { image: formatRef(image.ref), family, isHead });
    return {
      image,
      predecessors: found.flatMap((one) => (one === undefined ? [] : [one.image])),
      undo: publication.id,
      isHead,
    };
  }
}
