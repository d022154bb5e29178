import {
  ImgkitError,
  type CallOptions,
  type Image,
  type ImageRef,
  type Operation,
} from '@imgkit/core';

import { instant, text } from '../api/wire.ts';
import { tokenOf, type AzureContext } from '../context.ts';
import { definitionId, ended } from '../versions/definitions.ts';
import { checkName } from '../resources/names.ts';
import { formatId, parseIdOf } from '../resources/resource-id.ts';
import { locateVersion, readImage, settledVersion } from '../versions/versions.ts';

const type = 'Microsoft.Compute/galleries/images/versions';

/** An image that was deleted, and can be had back. */
export interface AzureDeletedImage {
  readonly ref: ImageRef;
  readonly family: string;
  /** Its number: `1.0.0`. */
  readonly number: string;
  /** When it was deleted: ISO 8601. Azure keeps it for seven days. */
  readonly deletedAt: string | undefined;
}

/**
 * What was deleted in a gallery with soft deletion, which is switched on with
 * `az sig update … --soft-delete true`. Until it is gone for good, its number, its definition and its gallery can't be
 * made anew or deleted.
 * https://learn.microsoft.com/azure/virtual-machines/soft-delete-gallery
 */
export class AzureDeletedImages {
  readonly #context: AzureContext;

  constructor(context: AzureContext) {
    this.#context = context;
    context.onResume('images.restore', async ({ operation, ...token }, control) => {
      if (operation !== null) await context.waitFor(control, { ...token, operation });
      return readImage(context, token.target);
    });
  }

  /** Lists what of a family was deleted, and can be had back. */
  list(family: string, options?: CallOptions): AsyncIterable<AzureDeletedImage> {
    const context = this.#context;
    return context.listing('images.deleted', family, options, async function* pagewise() {
      checkName('a family', family);
      const definition = definitionId(context, family);
      for await (const page of context.client.deletedVersions(definition, options))
        for (const one of page) {
          const id = parseIdOf(type, text(one, 'resourceArmId'));
          const number = text(one, 'name') ?? id?.names.at(-1) ?? '';
          yield {
            ref: { provider: context.provider, id: `${definition}/versions/${number}` },
            family,
            number,
            deletedAt: instant(one, 'softDeletedTime'),
          };
        }
    });
  }

  /**
   * Brings an image back as it was.
   *
   * @throws {@link ImgkitError} with `NOT_FOUND` for what wasn't deleted, or is gone for good.
   */
  restore(id: string, options?: CallOptions): Operation<Image> {
    const context = this.#context;
    return context.operation('images.restore', id, options, async (control) => {
      const target = formatId(locateVersion(id));
      try {
        const changes = { restore: true, storageProfile: {} };
        const operation = await context.client.patch(target, changes, control);
        if (operation !== undefined)
          await context.waitFor(control, tokenOf('images.restore', operation, target));
      } catch (error) {
        if (!ImgkitError.is(error, 'NOT_FOUND')) throw error;
        // It may be back already: by a call whose answer got lost, or somebody else's.
        if ((await settledVersion(context, target, control)) !== undefined)
          return readImage(context, target);
        throw new ImgkitError('NOT_FOUND', `there is nothing to restore as ${target}`, {
          resource: target,
          hint: 'Azure keeps what is deleted for seven days, in galleries with soft deletion.',
          providerCode: error.providerCode,
          requestId: error.requestId,
          cause: error,
        });
      }
      return readImage(context, target);
    });
  }

  /**
   * Deletes for good what was deleted. What stands isn't touched.
   *
   * @throws {@link ImgkitError} with `FAILED_PRECONDITION` for an image that stands.
   */
  async purge(id: string, options?: CallOptions): Promise<void> {
    const context = this.#context;
    await context.call('images.purge', id, options, async () => {
      const version = locateVersion(id);
      const [, family = '', number = ''] = version.names;
      let kept = false;
      for await (const one of this.list(family, options)) kept ||= one.number === number;
      if (kept)
        await ended(
          context,
          await context.client.delete(formatId(version), options),
          options ?? {},
        );
      else if (await stands(context, formatId(version), options))
        throw new ImgkitError('FAILED_PRECONDITION', `${formatId(version)} was not deleted`, {
          hint: 'Delete it first, with images.delete.',
        });
    });
  }
}

async function stands(context: AzureContext, id: string, options?: CallOptions): Promise<boolean> {
  try {
    await context.client.get(id, options);
    return true;
  } catch (error) {
    if (ImgkitError.is(error, 'NOT_FOUND')) return false;
    throw error;
  }
}
