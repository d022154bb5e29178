import {
  ifThere,
  ImgkitError,
  type CallOptions,
  type Image,
  type Publishing,
  type PublishingTraits,
  type PublishRequest,
} from '@imgkit/core';

import { object, text, textMap, type WireObject } from './api/wire.ts';
import type { GceContext } from './context.ts';
import { changeLabels, patchImage, readImage } from './images/image-changes.ts';
import {
  encodeLabelValue,
  familyLabel,
  pendingLabel,
  publishedLabel,
  versionLabel,
  without,
} from './resources/labels.ts';
import { toImage } from './mapping/image.ts';
import { checkName } from './resources/names.ts';

/**
 * Moves images between staged and published: a staged image has its family in a label only, so that Google never
 * takes it for the head.
 */
export class GcePublishing implements Publishing {
  readonly traits: PublishingTraits = { nativeHead: true };
  readonly #context: GceContext;

  constructor(context: GceContext) {
    this.#context = context;
  }

  /**
   * The head of a family is, to Google, the one that was created last of those that aren't deprecated: publishing an
   * older image than the head makes it the head only when the newer ones are deprecated, as `kit.families.publish` does.
   */
  async publish(id: string, request: PublishRequest, options?: CallOptions): Promise<Image> {
    const { family, version } = request;
    const context = this.#context;
    return context.call('publishing.publish', id, options, async () => {
      checkName('family', family);
      const native = await readImage(context, id, options);
      checkPublishable(id, this.#show(native));
      const encoded = version === undefined ? undefined : encodeLabelValue(version, versionLabel);
      const again = text(native, 'family') === family;
      const at = String(context.clock.now());
      // The labels first: once Google knows the family, the image is the head.
      await changeLabels(
        context,
        id,
        (labels) => ({
          ...without(labels, pendingLabel),
          [familyLabel]: family,
          ...(encoded !== undefined && { [versionLabel]: encoded }),
          ...(!again && { [publishedLabel]: at }),
        }),
        options,
      );
      if (!again) await patchImage(context, id, { family }, options);
      return this.#show(await readImage(context, id, options));
    });
  }

  async withdraw(id: string, options?: CallOptions): Promise<Image> {
    const context = this.#context;
    return context.call('publishing.withdraw', id, options, async () => {
      const native = await readImage(context, id, options);
      const family = text(native, 'family');
      if (family === undefined) return this.#show(native);
      // What was published by others has its family in no label yet.
      if (textMap(native, 'labels')[familyLabel] !== family)
        await changeLabels(
          context,
          id,
          (labels) => ({ ...labels, [familyLabel]: family }),
          options,
        );
      await patchImage(context, id, { family: '' }, options);
      return this.#show(await readImage(context, id, options));
    });
  }

  async head(
    family: string,
    scope: { readonly project?: string | undefined; readonly zone?: string | undefined } = {},
    options?: CallOptions,
  ): Promise<Image | undefined> {
    const { project = this.#context.project, zone } = scope;
    const { client, provider } = this.#context;
    return this.#context.call('publishing.head', family, options, async () => {
      checkName('family', family);
      const native = await ifThere(async () => {
        if (zone === undefined)
          return client.read(
            { service: 'images', method: 'getFromFamily', request: { project, family } },
            options,
          );
        const view = await client.read(
          { service: 'imageFamilyViews', method: 'get', request: { project, zone, family } },
          options,
        );
        return object(view, 'image');
      });
      return native && toImage(provider, project, native);
    });
  }

  #show(native: WireObject): Image {
    return toImage(this.#context.provider, this.#context.project, native);
  }
}

function checkPublishable(id: string, { name, status, deprecation }: Image): void {
  if (status === 'READY' && deprecation.state === 'ACTIVE') return;
  throw new ImgkitError(
    'FAILED_PRECONDITION',
    `image "${name}" is ${status} and ${deprecation.state}`,
    { resource: id, hint: 'Only an image that is READY and ACTIVE can be published.' },
  );
}
