import { ImgkitError, throwIfAborted } from '@imgkit/core';

/** @import { CallOptions, ErrorCode, Image } from '@imgkit/core' */

/**
 * Where the attic keeps its images. Rows are replaced, never changed: whoever got one keeps what they got.
 *
 * @typedef {{ readonly image: Image, readonly key: string | undefined }} Row
 */
export class Shelf {
  /** @type {Map<string, Row>} */
  #rows = new Map();
  #closed = false;

  /** @param {string} provider */
  constructor(provider) {
    this.provider = provider;
  }

  close() {
    this.#closed = true;
  }

  rows() {
    return [...this.#rows.values()].toReversed();
  }

  /** @param {string} id */
  get(id) {
    const row = this.#rows.get(id);
    if (row === undefined) throw this.error('NOT_FOUND', `there is no image "${id}"`);
    return row;
  }

  /** @param {Row} row */
  put(row) {
    this.#rows.set(row.image.ref.id, row);
    return row.image;
  }

  /** @param {string} id */
  remove(id) {
    this.#rows.delete(id);
  }

  /**
   * The one place where errors get their form.
   *
   * @template T
   * @param {string} operation
   * @param {CallOptions | undefined} options
   * @param {() => T | Promise<T>} body
   * @returns {Promise<T>}
   */
  async call(operation, options, body) {
    try {
      throwIfAborted(options?.signal);
      if (this.#closed) throw this.error('FAILED_PRECONDITION', 'the attic is closed');
      return await body();
    } catch (error) {
      throwIfAborted(options?.signal);
      const { code, message } = ImgkitError.is(error)
        ? error
        : this.error('OPERATION_FAILED', String(error));
      throw new ImgkitError(code, message, {
        provider: this.provider,
        operation,
        cause: error,
      });
    }
  }

  /**
   * @param {ErrorCode} code
   * @param {string} message
   */
  error(code, message) {
    return new ImgkitError(code, message, { provider: this.provider });
  }
}
