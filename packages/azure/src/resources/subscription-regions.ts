import {
  ImgkitError,
  nearNames,
  throwIfAborted,
  type CallOptions,
  type Logger,
} from '@imgkit/core';

import { object, text, type WireObject } from '../api/wire.ts';
import type { AzureClient } from '../client.ts';
import { invalid } from './invalid.ts';
import { regionName } from './regions.ts';
import type { AzureSettings } from '../settings.ts';

/** What a {@link SubscriptionRegions} is made of. */
export interface SubscriptionRegionsParts {
  readonly settings: Pick<AzureSettings, 'subscription' | 'location'>;
  readonly client: Pick<AzureClient, 'locations'>;
  readonly logger: Logger;
}

/** The regions of the provider's subscription: asked for once, when something is made for the first time. */
export class SubscriptionRegions {
  readonly #parts: SubscriptionRegionsParts;
  #asked: Promise<readonly string[] | undefined> | undefined;

  constructor(parts: SubscriptionRegionsParts) {
    this.#parts = parts;
  }

  /**
   * Checks the provider's own region and others, before anything is made. Where the list of regions may not be read,
   * Azure decides.
   *
   * @throws {@link ImgkitError} with `INVALID_ARGUMENT` for one that the subscription doesn't have.
   */
  async require(names: readonly string[], options: CallOptions = {}): Promise<void> {
    const known = await this.#list(options);
    const wanted = [this.#parts.settings.location, ...names].map(regionName);
    const unknown = wanted.find((name) => known?.includes(name) === false);
    if (known === undefined || unknown === undefined) return;
    const alike = nearNames(unknown, new Set(known)).slice(0, 3);
    throw invalid(
      `the subscription ${this.#parts.settings.subscription} has no region "${unknown}"`,
      alike.length > 0
        ? `Did you mean: ${alike.join(', ')}?`
        : 'az account list-locations --output table shows those that there are.',
    );
  }

  async #list(options: CallOptions): Promise<readonly string[] | undefined> {
    for (;;) {
      throwIfAborted(options.signal);
      const asked = (this.#asked ??= this.#ask(options));
      try {
        return await asked;
      } catch (error) {
        if (this.#asked === asked) this.#asked = undefined;
        // It may be that another call asked, and was given up.
        if (!ImgkitError.is(error, 'CANCELLED')) throw error;
      }
    }
  }

  async #ask(options: CallOptions): Promise<readonly string[] | undefined> {
    const { client, settings, logger } = this.#parts;
    try {
      const found = await client.locations(settings.subscription, options);
      return found.filter(isPlace).flatMap(namesOf);
    } catch (error) {
      const isHidden =
        ImgkitError.is(error, 'PERMISSION_DENIED') || ImgkitError.is(error, 'NOT_FOUND');
      if (!isHidden) throw error;
      logger.debug('the regions of the subscription may not be read; Azure decides', {
        reason: error.message,
      });
      return undefined;
    }
  }
}

/** Whether something can be in it: `europe` and `global` are regions in name only. */
function isPlace(location: WireObject): boolean {
  return text(object(location, 'metadata'), 'regionType') !== 'Logical';
}

/** What it may be called: almost always the same, once it is written plainly. */
function namesOf(location: WireObject): readonly string[] {
  const names = [text(location, 'name'), text(location, 'displayName')];
  return names.flatMap((name) => (name === undefined ? [] : regionName(name)));
}
