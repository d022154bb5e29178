import type { Clock, Provider } from '@imgkit/core';
import { createVirtualClock, type AzureEmulatorOptions } from '@imgkit/emulators';
import { describe, expect, it } from 'vitest';

import { gallery, startAzure, type EmulatedAzure } from './emulated-azure.ts';

/** Runs on an emulator whose clock moves on as the provider sleeps: both have the same time. */
async function withSharedTime(
  options: AzureEmulatorOptions,
  use: (cloud: EmulatedAzure, provider: Provider, clock: Clock) => Promise<void>,
): Promise<void> {
  const time = createVirtualClock('2026-11-21T09:00:00Z');
  const clock: Clock = {
    now: () => time.now(),
    async sleep(ms, signal) {
      signal?.throwIfAborted();
      await time.advance(ms);
    },
  };
  await using cloud = await startAzure({ clock: time, operationMs: 50, ...options });
  const identifier = { publisher: 'acme', offer: 'golden', sku: 'web' };
  const shape = { osType: 'Linux', osState: 'Generalized', identifier };
  cloud.emulator.seed(`${gallery}/images/web`, { location: 'eastus', properties: shape });
  for (let patch = 0; patch < 40; patch += 1)
    cloud.emulator.seed(idOf(patch), {
      location: 'eastus',
      properties: {
        provisioningState: 'Succeeded',
        publishingProfile: { targetRegions: [{ name: 'East US' }] },
      },
    });
  await use(cloud, await cloud.provider({ clock }), clock);
}

const idOf = (patch: number): string => `${gallery}/images/web/versions/1.0.${patch}`;
const refused = ({ emulator }: EmulatedAzure): number =>
  emulator.requests.filter(({ status }) => status === 429).length;

describe('many changes', () => {
  it('are slowed down before Azure refuses one', async () => {
    const rates = { CreateUpdateGalleryImageVersion: { per3Minutes: 12, per30Minutes: 300 } };
    await withSharedTime({ rates }, async (cloud, provider, clock) => {
      const start = clock.now();
      const ids = Array.from({ length: 36 }, (_, patch) => idOf(patch));
      // As the plan of core does: some at a time.
      while (ids.length > 0)
        await Promise.all(
          ids
            .splice(0, 6)
            .map(async (id) => provider.deprecation?.set(id, { state: 'DEPRECATED' })),
        );
      expect(refused(cloud)).toBe(0);
      expect((await provider.images.get(idOf(35))).deprecation.state).toBe('DEPRECATED');
      const minutes = (clock.now() - start) / 60_000;
      expect(minutes, 'and no slower than they must').toBeGreaterThan(5);
      expect(minutes).toBeLessThan(20);
    });
  });

  it('leave some to others, and heed what those take', async () => {
    const rates = { CreateUpdateGalleryImageVersion: { per3Minutes: 16, per30Minutes: 300 } };
    await withSharedTime({ rates }, async (cloud, provider) => {
      const url = `${cloud.emulator.endpoint}${idOf(0)}?api-version=2025-12-03`;
      const body = JSON.stringify({ properties: { storageProfile: {} } });
      for (let patch = 1; patch < 24; patch += 1) {
        if (patch % 6 === 0) await fetch(url, { method: 'PATCH', body });
        await provider.images.update(idOf(patch), { labels: { team: 'web' } });
      }
      expect(refused(cloud)).toBe(0);
    });
  });

  it('end their wait when they are cancelled', async () => {
    const rates = { CreateUpdateGalleryImageVersion: { per3Minutes: 3, per30Minutes: 300 } };
    await withSharedTime({ rates }, async (cloud, _, shared) => {
      const control = new AbortController();
      const { signal } = control;
      const clock: Clock = {
        now: () => shared.now(),
        async sleep(ms, given) {
          if (ms > 60_000) control.abort(new Error('enough'));
          await shared.sleep(ms, given);
        },
      };
      const provider = await cloud.provider({ clock });
      const changes = async (): Promise<void> => {
        for (let patch = 0; patch < 9; patch += 1)
          await provider.images.update(idOf(patch), { labels: { a: String(patch) } }, { signal });
      };
      await expect(changes()).rejects.toMatchObject({ code: 'CANCELLED' });
      expect(refused(cloud)).toBe(0);
    });
  });
});

describe('the calls of a subscription', () => {
  it('are spread when few are left', async () => {
    await withSharedTime({ subscriptionCalls: { reads: 55 } }, async (cloud, provider, clock) => {
      const start = clock.now();
      for (let patch = 0; patch < 36; patch += 1) await provider.images.get(idOf(patch));
      expect(cloud.emulator.requests.length).toBeGreaterThan(65);
      expect(refused(cloud)).toBe(0);
      expect(clock.now() - start).toBeGreaterThan(5_000);
    });
  });
});

describe('the limits', () => {
  it('are documented, and Azure tells how much of some is used', async () => {
    await withSharedTime({}, async (_, { limits, disks }) => {
      await disks?.create({ name: 'data', sizeBytes: 2 ** 30 });
      const quotas = await limits?.quotas();
      expect(quotas).toContainEqual({
        name: 'StandardSSDDiskCount',
        limit: 50_000,
        used: 1,
        unit: 'resources',
      });
      const calls = limits?.documented.find(({ name }) => name.endsWith(': PostShareGallery'));
      expect(calls).toMatchObject({ value: 10, perMs: 180_000 });
    });
  });
});

describe('a call too many', () => {
  it('says which group it is of, and when to try again', async () => {
    await withSharedTime({}, async (cloud, provider) => {
      cloud.emulator.faults.add({
        rpc: 'GalleryImageVersions.Get',
        kind: 'status',
        status: 429,
        retryAfterSeconds: 7,
        times: Infinity,
      });
      const failed = provider.images.get(idOf(0));
      await expect(failed).rejects.toMatchObject({ code: 'RATE_LIMITED', retryAfterMs: 7000 });
    });
  });
});
