import { startOperation } from '@imgkit/core';
import { carries } from './images.js';

/**
 * @import {
 *   CallOptions, Connection, Labels, OwnedKind, OwnedResources, Publishing, PublishRequest,
 * } from '@imgkit/core'
 * @import { Shelf } from './shelf.js'
 */

/** @implements {Publishing} */
export class AtticPublishing {
  traits = { nativeHead: false };
  #shelf;

  /** @param {Shelf} shelf */
  constructor(shelf) {
    this.#shelf = shelf;
  }

  /**
   * @param {string} id
   * @param {PublishRequest} request
   * @param {CallOptions} [options]
   */
  publish(id, { family, version }, options) {
    return this.#shelf.call('publishing.publish', options, () => {
      const { image, key } = this.#shelf.get(id);
      if (!/^[a-z][a-z0-9-]{0,39}$/.test(family)) {
        throw this.#shelf.error('INVALID_ARGUMENT', `"${family}" can't be a family`);
      }
      if (image.published && image.family === family) return image;
      const publishedAt = new Date().toISOString();
      const now = { published: true, publishedAt, family, version: version ?? image.version };
      return this.#shelf.put({ image: { ...image, ...now }, key });
    });
  }

  /**
   * @param {string} id
   * @param {CallOptions} [options]
   */
  withdraw(id, options) {
    return this.#shelf.call('publishing.withdraw', options, () => {
      const { image, key } = this.#shelf.get(id);
      return this.#shelf.put({ image: { ...image, published: false }, key });
    });
  }
}

/** @implements {OwnedResources} */
export class AtticOwned {
  #shelf;

  /** @param {Shelf} shelf */
  constructor(shelf) {
    this.#shelf = shelf;
  }

  /**
   * @param {Labels} wanted
   * @param {CallOptions} [options]
   */
  async *list(wanted, options) {
    const rows = await this.#shelf.call('owned.list', options, () => this.#shelf.rows());
    for (const { image } of rows) {
      const { ref, name, createdAt, labels } = image;
      if (!carries(image, wanted)) continue;
      yield { kind: /** @type {const} */ ('image'), id: ref.id, name, createdAt, labels };
    }
  }

  /**
   * @param {OwnedKind} kind
   * @param {string} id
   * @param {CallOptions} [options]
   */
  delete(kind, id, options) {
    return this.#shelf.call('owned.delete', options, () => {
      if (kind !== 'image') throw this.#shelf.error('INVALID_ARGUMENT', `no ${kind} is kept here`);
      this.#shelf.remove(id);
    });
  }
}

/** @implements {Connection} */
export class AtticConnection {
  project = 'attic';
  #shelf;

  /** @param {Shelf} shelf */
  constructor(shelf) {
    this.#shelf = shelf;
  }

  /** @param {CallOptions} [options] */
  check(options) {
    return this.#shelf.call('check', options, () => undefined);
  }

  /**
   * @param {string} a
   * @param {string} b
   */
  sameId(a, b) {
    return a === b;
  }

  /**
   * @param {string} token
   * @param {CallOptions} [options]
   */
  resume(token, options) {
    return startOperation(
      () =>
        this.#shelf.call('resume', options, () => {
          const name = /^attic image (.+)$/.exec(token)?.[1];
          if (name !== undefined) return this.#shelf.get(`box/${name}`).image;
          throw this.#shelf.error('INVALID_ARGUMENT', `"${token}" is no token of the attic`);
        }),
      options,
    );
  }

  dispose() {
    this.#shelf.close();
    return Promise.resolve();
  }
}
