import { ImgkitError, type Provider } from '@imgkit/core';

import type { Hardware } from './hardware.ts';
import { providerDisks } from './provider-disks.ts';
import { providerImages } from './provider-images.ts';
import { openLoopbackAddress } from './loopback.ts';
import { providerMachines } from './provider-machines.ts';
import { createThings } from './things.ts';

/** Hardware that an imgkit provider gives. */
export interface ProviderHardware extends Hardware {
  /** Deletes everything it made. */
  close(): Promise<void>;
}

/**
 * Puts a provider behind a control plane.
 *
 * @param ports - the guests' TCP ports, beside 22, that are reached at their addresses.
 * @throws {@link ImgkitError} with `FAILED_PRECONDITION` if the provider lacks something, or this machine gives
 *   no addresses.
 */
export async function providerHardware(
  provider: Provider,
  ports: readonly number[],
): Promise<ProviderHardware> {
  for (const capability of ['instances', 'disks', 'snapshots'] as const) {
    if (provider[capability]) continue;
    throw new ImgkitError('FAILED_PRECONDITION', `${provider.name} has no ${capability}`, {
      provider: provider.name,
      hint: 'The emulator needs a provider with instances, disks and snapshots: @imgkit/qemu has them.',
    });
  }
  await provider.check();
  const nowhere = { host: '127.0.0.1', port: 9 };
  const probe = await openLoopbackAddress(new Map([22, ...ports].map((port) => [port, nowhere])));
  await probe.close();

  const things = createThings(provider);
  const machines = providerMachines(things, ports);
  const parts: Hardware = { ...providerImages(things), ...providerDisks(things), ...machines };
  const running = new Set<Promise<unknown>>();
  let ending = false;
  /** What makes something is waited for at the end, so that nothing of it is left. */
  const counted =
    <A extends readonly unknown[], R>(make: (...args: A) => Promise<R>) =>
    async (...args: A): Promise<R> => {
      if (ending) throw new ImgkitError('CANCELLED', 'the emulator is ending');
      const work = make(...args);
      running.add(work);
      try {
        return await work;
      } finally {
        running.delete(work);
      }
    };
  return {
    ...parts,
    createImage: counted(parts.createImage),
    createDisk: counted(parts.createDisk),
    createSnapshot: counted(parts.createSnapshot),
    createInstance: counted(parts.createInstance),
    startInstance: counted(parts.startInstance),
    async close() {
      ending = true;
      await Promise.allSettled(running);
      await machines.close();
      const failures: unknown[] = [];
      const each = async (links: Iterable<string>, remove: (link: string) => Promise<void>) => {
        for (const link of links) await remove(link).catch((error) => failures.push(error));
      };
      await each([...things.instances.keys()], parts.deleteInstance);
      await each([...things.disks.keys()], parts.deleteDisk);
      await each([...things.snapshots.keys()], parts.deleteSnapshot);
      await each([...things.images.keys()], parts.deleteImage);
      if (failures.length > 0) {
        throw new ImgkitError(
          'CLEANUP_FAILED',
          `${failures.length} things of the emulator are left`,
          {
            provider: provider.name,
            cause: failures[0],
          },
        );
      }
    },
  };
}
