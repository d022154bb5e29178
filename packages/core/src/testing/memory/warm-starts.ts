import { createHash } from 'node:crypto';
import type { WarmStarts } from '../../spec/capabilities/warm-starts.ts';
import { ImgkitError } from '../../spec/errors.ts';
import type { MemoryContext } from './context.ts';
import { ownRow } from './creation.ts';
import { visibleImage } from './image-access.ts';
import { instanceKind } from './instances.ts';
import { bootDisk } from './machine.ts';

/** The saved machines of a memory cloud. */
export function memoryWarmStarts(context: MemoryContext): WarmStarts {
  const { warmStarts } = context.cloud;
  const place = (key: string): string => `${context.project}/${key}`;
  return {
    guestScript: '#!/bin/sh\nsync\n',
    key: ({ image, machineType }, options = {}) =>
      context.call('warmStarts.key', image, options, () => {
        const { id, sequence } = visibleImage(context, image);
        return createHash('sha256')
          .update(JSON.stringify([id, sequence, machineType]))
          .digest('hex')
          .slice(0, 32);
      }),
    has: (key, options = {}) =>
      context.call('warmStarts.has', key, options, () => warmStarts.has(place(key))),
    save: (key, instance, options = {}) =>
      context.call('warmStarts.save', instance, options, () => {
        const row = ownRow(context, instanceKind(context), instance);
        if (row.status !== 'RUNNING') {
          throw new ImgkitError('FAILED_PRECONDITION', `instance "${row.name}" is ${row.status}`, {
            resource: instance,
            hint: 'Only a running machine can be saved.',
          });
        }
        const { content } = bootDisk(context, row);
        warmStarts.set(place(key), { content, image: row.image });
      }),
    delete: (key, options = {}) =>
      context.call('warmStarts.delete', key, options, () => {
        warmStarts.delete(place(key));
      }),
  };
}
