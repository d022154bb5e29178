import { propertyOf, type GlanceImage } from '../glance/glance-image.ts';
import { properties } from '../mapping.ts';

/** The id of the server that a machine image was taken of. */
export function instanceOf(record: GlanceImage): string {
  return propertyOf(record, properties.origin)?.replace(/^instance:/, '') ?? '';
}
