import type { CreateImageRequest } from '@imgkit/core';

import {
  fromArchitecture,
  fromDeprecation,
  fromSource,
  labelProperty,
  properties,
} from '../mapping.ts';
import type { CloudContext } from './context.ts';
import type { Properties } from './image-access.ts';
import { thisProcess } from './image-maker.ts';

/** What an image takes over from what it is made of. */
export interface Inheritance {
  /** The image its content goes back to. */
  readonly parent?: string | undefined;
  /** Custom properties, for example how its machines are emulated. */
  readonly properties?: Readonly<Record<string, string>> | undefined;
}

type Body = Readonly<Record<string, string>>;

/** The properties of an image while it is being made. */
export function draftProperties(
  request: CreateImageRequest | Omit<CreateImageRequest, 'source'>,
  provider: string,
  inheritance: Inheritance = {},
): Body {
  const { family, version, description, architecture, deprecation, labels = {} } = request;
  const isPublished = family !== undefined && request.staged !== true;
  const drafted: Record<string, string | undefined> = {
    ...inheritance.properties,
    [properties.unfinished]: isPublished ? 'published' : 'staged',
    [properties.maker]: thisProcess(),
    [properties.family]: family,
    [properties.version]: version,
    [properties.published]: family === undefined ? undefined : 'false',
    [properties.parent]: inheritance.parent,
    [properties.origin]: 'source' in request ? fromSource(request.source) : 'file:upload',
    ...(deprecation && fromDeprecation(deprecation, provider)),
  };
  if (description !== undefined) drafted[properties.description] = description;
  if (architecture !== undefined) drafted[properties.architecture] = fromArchitecture(architecture);
  for (const [key, value] of Object.entries(labels)) drafted[labelProperty(key)] = value;
  const given = Object.entries(drafted).flatMap(([key, value]) =>
    value === undefined ? [] : [[key, value] as const],
  );
  return Object.fromEntries(given);
}

/** Images that aren't to be found by those who look for something new are hidden. */
export async function hiddenAs(
  context: CloudContext,
  { deprecation }: Pick<CreateImageRequest, 'deprecation'>,
  signal: AbortSignal,
): Promise<Properties> {
  const hidden = deprecation !== undefined && deprecation.state !== 'ACTIVE';
  return hidden && (await context.glance.canHide({ signal })) ? { os_hidden: true } : {};
}
