import type { Publishing } from '../../spec/capabilities/publishing.ts';
import { ImgkitError } from '../../spec/errors.ts';
import type { MemoryContext } from './context.ts';
import { isVisible, ownImage, showImage } from './image-access.ts';
import type { ImageRow } from './records.ts';
import { checkName } from './rules.ts';

/** Stages and publishes the images of a memory cloud. */
export function memoryPublishing(context: MemoryContext): Publishing {
  const { cloud } = context;
  const traits = cloud.traits.publishing;
  const publishing: Publishing = {
    traits,
    publish: (id, { family, version }, options = {}) =>
      context.call('publishing.publish', id, options, () => {
        checkName('family', family, cloud.traits.images.familyName);
        const row = ownImage(context, id);
        if (row.status !== 'READY' || row.deprecation.state !== 'ACTIVE') {
          const is = `${row.status} and ${row.deprecation.state}`;
          throw new ImgkitError('FAILED_PRECONDITION', `image "${row.name}" is ${is}`, {
            resource: row.id,
            hint: 'Only an image that is READY and ACTIVE can be published.',
          });
        }
        if (!row.published || row.family !== family) row.publishedAt = cloud.stamp();
        row.published = true;
        row.family = family;
        row.version = version ?? row.version;
        return showImage(row, context);
      }),
    withdraw: (id, options = {}) =>
      context.call('publishing.withdraw', id, options, () => {
        const row = ownImage(context, id);
        row.published = false;
        return showImage(row, context);
      }),
  };
  if (!traits.nativeHead) return publishing;
  return {
    ...publishing,
    head: (family, scope = {}, options = {}) =>
      context.call('publishing.head', family, options, () => {
        const { project = context.project } = scope;
        const newest = cloud.images
          .all(
            (row) => row.project === project && isVisible(context, row) && canBeHead(row, family),
          )
          .toSorted((a, b) => publication(b) - publication(a))[0];
        return newest && showImage(newest, context);
      }),
  };
}

/** When an image was published, in milliseconds: no two are published at the same time. */
function publication({ publishedAt }: ImageRow): number {
  return Date.parse(publishedAt ?? '') || 0;
}

function canBeHead(row: ImageRow, family: string): boolean {
  return (
    row.family === family &&
    row.published &&
    row.status === 'READY' &&
    row.deprecation.state === 'ACTIVE'
  );
}
