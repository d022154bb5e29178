import { flag, integer, list, object, tags, word } from '../shape.ts';
import { place, reference } from '../shapes.ts';

// What may be sent about restore points: api-version 2026-04-01.

const source = object({}, { source: reference, instantAccess: flag() });

export const collectionBody = object({ location: place, properties: source }, { tags: tags() });
export const collectionUpdate = object({}, { tags: tags(), properties: source });

export const pointBody = object(
  {},
  {
    properties: object(
      {},
      {
        excludeDisks: list(reference),
        consistencyMode: word('CrashConsistent', 'FileSystemConsistent', 'ApplicationConsistent'),
        sourceRestorePoint: reference,
        instantAccessDurationMinutes: integer(60, 300),
      },
    ),
  },
);
