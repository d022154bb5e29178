import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Clock } from '../engine/index.ts';
import { createImgkit, type Imgkit } from '../imgkit.ts';
import type { Plugin } from '../plugin/define-plugin.ts';
import type { CreateImageRequest } from '../spec/capabilities/images.ts';
import type { Image } from '../spec/image.ts';
import {
  memory,
  memoryCloud,
  type MemoryCloud,
  type MemoryCloudOptions,
} from '../testing/index.ts';

/** A kit for tests, over a cloud in memory. */
export interface TestKit extends AsyncDisposable {
  readonly kit: Imgkit;
  readonly cloud: MemoryCloud;
  /** Makes an image at the first provider; staged when it has a family. */
  image(name: string, request?: Partial<CreateImageRequest>): Promise<Image>;
}

/** How a test's kit is made. */
export interface TestKitOptions extends MemoryCloudOptions {
  /** The providers; one called `prod` on the test's cloud by default. */
  readonly providers?: ((cloud: MemoryCloud) => readonly Plugin[]) | undefined;
  /** The cloud of an earlier kit, to go on with. */
  readonly cloud?: MemoryCloud | undefined;
  /** The state directory of an earlier kit, which is then not removed. */
  readonly stateDirectory?: string | undefined;
}

/** Opens a kit whose state directory is removed when it's disposed of. */
export async function openTestKit(options: TestKitOptions = {}): Promise<TestKit> {
  const { clock = steppingClock(), providers = (all) => [memory({ name: 'prod', cloud: all })] } =
    options;
  const cloud = options.cloud ?? memoryCloud({ ...options, clock });
  const stateDirectory = options.stateDirectory ?? (await mkdtemp(join(tmpdir(), 'imgkit-test-')));
  const kit = await createImgkit({ providers: providers(cloud), stateDirectory, clock });
  return {
    kit,
    cloud,
    image: (name, request = {}) => makeImage(kit, name, request),
    async [Symbol.asyncDispose]() {
      await kit[Symbol.asyncDispose]();
      if (options.stateDirectory === undefined) await rm(stateDirectory, { recursive: true });
    },
  };
}

/** A clock for tests: it starts on a fixed day, and only sleeping passes its time. */
export function steppingClock(start = '2026-11-21T00:00:00Z'): Clock & { pass(ms: number): void } {
  let now = Date.parse(start);
  return {
    now: () => now,
    pass: (ms) => void (now += ms),
    async sleep(ms, signal) {
      signal?.throwIfAborted();
      now += Math.ceil(ms);
    },
  };
}

async function makeImage(
  kit: Imgkit,
  name: string,
  request: Partial<CreateImageRequest>,
): Promise<Image> {
  const [provider = ''] = kit.providers.names();
  const { disks } = kit.providers.require(provider, 'disks');
  const disk = await disks.create({ name: `disk-of-${name}`, sizeBytes: 1_048_576 });
  const image = await kit.images.create(provider, {
    name,
    source: { kind: 'disk', disk: disk.id },
    staged: request.family === undefined ? undefined : true,
    ...request,
  });
  await disks.delete(disk.id); // so that only what a test adds uses the image
  return image;
}

/** Gives all of a listing. */
export async function collect<T>(listing: AsyncIterable<T>): Promise<readonly T[]> {
  const all: T[] = [];
  for await (const one of listing) all.push(one);
  return all;
}
