import type { GlanceImage } from '../glance/glance-image.ts';
import { propertyOf } from '../glance/glance-image.ts';
import type { Properties } from './image-access.ts';

// Glance keeps a property in a column of text, which holds 64 KiB in MySQL: longer texts go over several of them.

/** In characters, of which each may be four bytes. */
const partLength = 16_000;

/** A long text as properties: the first has the name, the others the name and a number. */
export function textProperties(
  image: GlanceImage | undefined,
  name: string,
  text: string,
): Properties {
  const wanted: Record<string, string | undefined> = {};
  for (const property of Object.keys(image ?? {})) {
    if (property.startsWith(`${name}.`)) wanted[property] = undefined;
  }
  for (let at = 0, part = 0; at < text.length; at += partLength, part += 1)
    wanted[partName(name, part)] = text.slice(at, at + partLength);
  return wanted;
}

/** The text that an image's properties hold; nothing when there is none. */
export function readText(image: GlanceImage, name: string): string | undefined {
  const parts: string[] = [];
  for (let part = 0; ; part += 1) {
    const text = propertyOf(image, partName(name, part));
    if (!text) return parts.length === 0 ? undefined : parts.join('');
    parts.push(text);
  }
}

function partName(name: string, part: number): string {
  return part === 0 ? name : `${name}.${part}`;
}
