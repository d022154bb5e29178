import { ImgkitError, type Labels } from '@imgkit/core';
import * as z from 'zod';

import { text, type WireObject } from '../api/wire.ts';
import { keyLabel } from '../resources/labels.ts';

/**
 * What imgkit has to remember of a group or a template. Neither has labels, and both have a description that
 * Google gives back as it was.
 */
export interface FleetNote {
  /** The labels of the fleet. */
  readonly labels: Labels;
  /** The digest of the idempotency key it was made with. */
  readonly key?: string | undefined;
  /** Of a group: the name of the template that its machines were of before. */
  readonly before?: string | undefined;
  /** Of a template: the id of the fleet it is of. */
  readonly fleet?: string | undefined;
}

/** Google takes descriptions of so many characters. */
const longestNote = 2048;

const schema = z.object({
  imgkit: z.object({
    labels: z.record(z.string(), z.string()),
    key: z.string().optional(),
    before: z.string().optional(),
    fleet: z.string().optional(),
  }),
});

/**
 * The note as a description.
 *
 * @throws {@link ImgkitError} with `INVALID_ARGUMENT` if there are more labels than fit in.
 */
export function writeNote({ labels, key, before, fleet }: FleetNote): string {
  const note = JSON.stringify({ imgkit: { labels, key, before, fleet } });
  if (note.length <= longestNote) return note;
  throw new ImgkitError(
    'INVALID_ARGUMENT',
    `the labels of the fleet take ${note.length} characters`,
    {
      hint: `Groups have no labels at Google: they are kept in the description, which holds ${longestNote} characters.`,
    },
  );
}

/** Reads the note of a group or a template; nothing for what imgkit didn't make. */
export function readNote(resource: WireObject): FleetNote | undefined {
  try {
    const parsed: unknown = JSON.parse(text(resource, 'description') ?? '');
    return schema.safeParse(parsed).data?.imgkit;
  } catch {
    return undefined; // somebody's own words
  }
}

/** The resource with its key where other resources have it, among the labels. */
export function withKeyLabel(resource: WireObject): WireObject {
  const key = readNote(resource)?.key;
  return key === undefined ? resource : { ...resource, labels: { [keyLabel]: key } };
}
