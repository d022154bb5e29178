import {
  ImgkitError,
  type CallOptions,
  type Image,
  type Publishing,
  type PublishingTraits,
  type PublishRequest,
} from '@imgkit/core';

import type { LocalContext } from './resources/context.ts';
import { statusOf } from './resources/creation.ts';
import { changeImage, isVisible } from './resources/image-access.ts';
import { imageKind } from './resources/kinds.ts';
import { canBeHead, headsOf, publicationInstant } from './resources/publication.ts';
import { checkName, checkTexts } from './resources/rules.ts';

/** Moves images between staged and published: one column of the catalog. */
export class QemuPublishing implements Publishing {
  readonly traits: PublishingTraits = { nativeHead: true };
  readonly #context: LocalContext;

  constructor(context: LocalContext) {
    this.#context = context;
  }

  async publish(id: string, request: PublishRequest, options?: CallOptions): Promise<Image> {
    const { family, version } = request;
    const context = this.#context;
    return context.call('publishing.publish', id, options, (store) => {
      checkName('family', family);
      checkTexts({ version });
      return changeImage(context, store, id, (record) => {
        const { doc } = record;
        if (!canBeHead(record))
          throw new ImgkitError(
            'FAILED_PRECONDITION',
            `image "${record.name}" is ${statusOf(record)} and ${doc.deprecation.state}`,
            { resource: id, hint: 'Only an image that is READY and ACTIVE can be published.' },
          );
        const again = doc.published && doc.family === family;
        const publishedAt = again
          ? doc.publishedAt
          : publicationInstant(store, context.project, family);
        return { ...doc, family, version: version ?? doc.version, published: true, publishedAt };
      });
    });
  }

  async withdraw(id: string, options?: CallOptions): Promise<Image> {
    const context = this.#context;
    return context.call('publishing.withdraw', id, options, (store) =>
      changeImage(context, store, id, ({ doc }) => ({ ...doc, published: false })),
    );
  }

  async head(
    family: string,
    scope: { readonly project?: string | undefined; readonly zone?: string | undefined } = {},
    options?: CallOptions,
  ): Promise<Image | undefined> {
    const context = this.#context;
    const { project = context.project } = scope;
    return context.call('publishing.head', family, options, (store) => {
      const head = headsOf(store, project, family).find((record) => isVisible(context, record));
      return head && imageKind.show(context, head);
    });
  }
}
