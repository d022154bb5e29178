import { stat } from 'node:fs/promises';
import { startOperation } from '@imgkit/core';

/**
 * @import {
 *   CallOptions, CreateImageRequest, Image, ImageFilter, Images, ImageUpdate, Labels,
 * } from '@imgkit/core'
 * @import { Shelf } from './shelf.js'
 */

const names = {
  pattern: /^[a-z][a-z0-9-]{0,39}$/,
  description: 'a lower case letter, then up to 39 lower case letters, digits and dashes',
};

/** @implements {Images} */
export class AtticImages {
  /** @type {Images['traits']} */
  traits = { sources: ['file'], imageName: names, familyName: names, digests: false };
  #shelf;

  /** @param {Shelf} shelf */
  constructor(shelf) {
    this.#shelf = shelf;
  }

  /**
   * @param {string} id
   * @param {CallOptions} [options]
   */
  get(id, options) {
    return this.#shelf.call('images.get', options, () => this.#shelf.get(id).image);
  }

  /**
   * @param {ImageFilter} [filter]
   * @param {CallOptions} [options]
   */
  async *list(filter = {}, options) {
    for (const { image } of await this.#shelf.call('images.list', options, () =>
      this.#shelf.rows(),
    )) {
      if (!fits(image, filter)) continue;
      await this.#shelf.call('images.list', options, () => undefined);
      yield image;
    }
  }

  /**
   * @param {CreateImageRequest} request
   * @param {CallOptions} [options]
   */
  create(request, options) {
    return startOperation(
      ({ progress, accepted }) =>
        this.#shelf.call('images.create', options, async () => {
          progress(`looking at ${request.name}`);
          const size = await this.#check(request);
          const image = this.#make(request, size);
          accepted(`attic image ${image.name}`);
          return image;
        }),
      options,
    );
  }

  /**
   * @param {string} id
   * @param {ImageUpdate} changes
   * @param {CallOptions} [options]
   */
  update(id, { labels = {}, description }, options) {
    return this.#shelf.call('images.update', options, () => {
      const { image, key } = this.#shelf.get(id);
      /** @type {Record<string, string>} */
      const kept = { ...image.labels };
      for (const [label, value] of Object.entries(labels)) {
        if (value === null) delete kept[label];
        else kept[label] = value;
      }
      return this.#shelf.put({
        image: { ...image, labels: kept, description: description ?? image.description },
        key,
      });
    });
  }

  /**
   * @param {string} id
   * @param {CallOptions} [options]
   */
  delete(id, options) {
    return startOperation(
      () => this.#shelf.call('images.delete', options, () => this.#shelf.remove(id)),
      options,
    );
  }

  /** @param {CreateImageRequest} request */
  async #check({ name, family, source, deprecation }) {
    for (const given of [name, family ?? name]) {
      if (names.pattern.test(given)) continue;
      throw this.#shelf.error('INVALID_ARGUMENT', `"${given}" is not ${names.description}`);
    }
    if (source.kind !== 'file' || (deprecation?.state ?? 'ACTIVE') !== 'ACTIVE') {
      const what = source.kind === 'file' ? 'deprecation' : `source "${source.kind}"`;
      throw this.#shelf.error('UNSUPPORTED', `the attic has no ${what}`);
    }
    const found = await stat(source.file).catch(() => undefined);
    if (found !== undefined) return found.size;
    throw this.#shelf.error('NOT_FOUND', `there is no file "${source.file}"`);
  }

  /**
   * @param {CreateImageRequest} request
   * @param {number} diskSizeBytes
   * @returns {Image}
   */
  #make(request, diskSizeBytes) {
    const { name, family, version, staged, labels = {}, description, idempotencyKey } = request;
    const standing = this.#shelf.rows().find(({ image }) => image.name === name);
    if (standing !== undefined) {
      if (idempotencyKey !== undefined && standing.key === idempotencyKey) return standing.image;
      throw this.#shelf.error('ALREADY_EXISTS', `the attic has an image "${name}"`);
    }
    const published = family !== undefined && staged !== true;
    const now = new Date().toISOString();
    return this.#shelf.put({
      image: {
        ref: { provider: this.#shelf.provider, id: `box/${name}` },
        name,
        project: 'attic',
        family,
        version,
        published,
        publishedAt: published ? now : undefined,
        status: 'READY',
        deprecation: { state: 'ACTIVE' },
        createdAt: now,
        diskSizeBytes,
        labels,
        description,
      },
      key: idempotencyKey,
    });
  }
}

/**
 * @param {Image} image
 * @param {ImageFilter} filter
 */
function fits(image, { name, family, published, project, status, states, labels }) {
  return (
    (name ?? image.name) === image.name &&
    (family ?? image.family) === image.family &&
    (published ?? image.published) === image.published &&
    (project ?? image.project) === image.project &&
    (status ?? [image.status]).includes(image.status) &&
    (states ?? ['ACTIVE']).includes(image.deprecation.state) &&
    carries(image, labels)
  );
}

/**
 * @param {Image} image
 * @param {Labels} [labels]
 */
export function carries(image, labels = {}) {
  return Object.entries(labels).every(([key, value]) => image.labels[key] === value);
}
