import { propertyOf, type GlanceImage } from '../glance/glance-image.ts';
import { properties } from '../mapping.ts';

/** Where the SHA-256 is noted, bound to the cloud's own digest: whoever inherits the note has other data. */
export function digestNote(
  image: GlanceImage,
  sha256: string | undefined,
): Readonly<Record<string, string>> {
  const { os_hash_value: value } = image;
  return value && sha256 !== undefined ? { [properties.digest]: `${sha256}:${value}` } : {};
}

/** The SHA-256 of an image's data in hexadecimal, as who uploaded it noted it. The cloud tells only other digests. */
export function knownDigest(image: GlanceImage): string | undefined {
  const [sha256, value] = propertyOf(image, properties.digest)?.split(':') ?? [];
  return value && value === image.os_hash_value ? sha256 : undefined;
}
