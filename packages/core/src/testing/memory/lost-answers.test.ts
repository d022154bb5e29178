import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { ImgkitError } from '../../spec/errors.ts';
import { quickClock } from '../quick-clock.ts';
import { createMemoryProvider, memoryCloud, type FaultMoment } from './index.ts';

const moment = fc.constantFrom<FaultMoment>('before', 'accepted', 'during', 'after');

/** Makes something with one key until it is there, whatever goes wrong on the way. */
async function persist<T>(make: () => PromiseLike<T>, tries: number): Promise<T> {
  try {
    return await make();
  } catch (error) {
    if (!ImgkitError.is(error) || tries === 0) throw error;
    return persist(make, tries - 1);
  }
}

describe('whatever calls fail, and wherever', () => {
  it('one key gives one disk, one machine, one image and no leftovers', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(moment, { maxLength: 4 }),
        fc.array(moment, { maxLength: 4 }),
        fc.array(moment, { maxLength: 4 }),
        fc.integer({ min: 0, max: 3 }),
        async (disks, launches, images, workMs) => {
          const cloud = memoryCloud({ clock: quickClock(), workMs });
          for (const when of disks) cloud.faults.fail('disks.create', { when });
          for (const when of launches) cloud.faults.fail('instances.launch', { when });
          for (const when of images) cloud.faults.fail('images.create', { when });
          // A program that crashes comes back with another provider on the same cloud.
          const anew = () => createMemoryProvider({ cloud });
          const disk = await persist(
            () => anew().disks.create({ name: 'root', sizeBytes: 1024, idempotencyKey: 'd' }),
            disks.length,
          );
          const source = { kind: 'disk', disk: disk.id } as const;
          const image = await persist(
            () => anew().images.create({ name: 'v1', source, idempotencyKey: 'i' }),
            images.length,
          );
          const boot = { kind: 'image', image: image.ref } as const;
          const machine = await persist(
            () => anew().instances.launch({ name: 'vm', boot, idempotencyKey: 'm' }),
            launches.length,
          );
          const standing = cloud.inventory().map(({ kind, status }) => `${kind} ${status}`);
          expect(standing).toEqual(['instance RUNNING', 'disk READY', 'disk READY', 'image READY']);
          await anew().instances.delete(machine.id);
          expect(cloud.inventory().map(({ kind }) => kind)).toEqual(['disk', 'image']);
        },
      ),
      { numRuns: 60 },
    );
  });
});
