import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';

import {
  createImgkit,
  type Clock,
  type Imgkit,
  type ImgkitError,
  type ImageSource,
  type Provider,
} from '@imgkit/core';
import {
  startAzureEmulator,
  type AzureEmulator,
  type AzureEmulatorOptions,
} from '@imgkit/emulators';

import { azure, type AzureOptions, type AzureStorageOptions } from '../src/index.ts';
import type { Azurite } from './azurite.ts';

/** The subscriptions of the tests. */
export const subscription = '00000000-0000-0000-0000-000000000001';
export const otherSubscription = '00000000-0000-0000-0000-000000000002';
const resourceGroup = 'Images';
export const group = `/subscriptions/${subscription}/resourceGroups/${resourceGroup}`;
export const gallery = `${group}/providers/Microsoft.Compute/galleries/golden`;
const blob = 'https://disks.blob.core.windows.net/vhds/web.vhd';
const storageAccountId = `${group}/providers/Microsoft.Storage/storageAccounts/disks`;

/** Of what images are made here: a managed image. */
export const source: ImageSource = {
  kind: 'image',
  image: { provider: 'azure', id: `${group}/providers/Microsoft.Compute/images/base` },
};
/** The blob, and the provider options that go with it. */
export const blobSource = {
  source: { kind: 'file', file: blob },
  providerOptions: { storageAccountId },
} as const;

/** Uploads go to the container `vhds` of an Azurite. */
export function storageOf({ endpoint, key }: Azurite) {
  return {
    account: endpoint,
    container: 'vhds',
    credentials: { kind: 'key', key },
  } as const satisfies AzureStorageOptions;
}

/** The time of this machine, on which nobody waits long: the emulator's operations are quick. */
const hastyClock: Clock = {
  now: () => Date.now(),
  async sleep(ms, signal) {
    await delay(Math.min(ms, 3), undefined, { signal });
  },
};

/** An emulator with a gallery, and a way to make kits that work on it. Its end checks what they sent. */
export interface EmulatedAzure extends AsyncDisposable {
  readonly emulator: AzureEmulator;
  /** What providers are made with that work on it. */
  readonly options: AzureOptions;
  /** A kit of its own, as another process has it. */
  open(wishes?: KitWishes): Promise<Imgkit>;
  /** A provider of a kit of its own. */
  provider(wishes?: KitWishes): Promise<Provider>;
}

/** What a kit is to be beside the defaults. */
type KitWishes = AzureOptions & {
  readonly clock?: Clock;
  /** Where its state is; a directory of its own by default, as another installation has it. */
  readonly stateDirectory?: string;
};

export async function startAzure(options: AzureEmulatorOptions = {}): Promise<EmulatedAzure> {
  const emulator = await startAzureEmulator({
    subscriptions: [subscription, otherSubscription],
    operationMs: 2,
    ...options,
  });
  const home = await mkdtemp(join(tmpdir(), 'imgkit-azure-'));
  const kits: Imgkit[] = [];
  for (const owner of [subscription, otherSubscription]) {
    const own = `/subscriptions/${owner}/resourceGroups/${resourceGroup}`;
    emulator.seed(own, { location: 'eastus' });
    emulator.seed(`${own}/providers/Microsoft.Compute/galleries/golden`, { location: 'eastus' });
  }
  const osDisk = { osType: 'Linux', osState: 'Generalized', diskSizeGB: 1 };
  emulator.seed(`${group}/providers/Microsoft.Compute/images/base`, {
    location: 'eastus',
    properties: {
      provisioningState: 'Succeeded',
      hyperVGeneration: 'V2',
      storageProfile: { osDisk },
    },
  });
  emulator.addBlob(blob, 2 ** 30);

  const { endpoint } = emulator;
  const place = { subscription, resourceGroup, gallery: 'golden', location: 'East US', endpoint };
  const open: EmulatedAzure['open'] = async (own = {}) => {
    const { clock = hastyClock, stateDirectory = join(home, String(kits.length)), ...wishes } = own;
    const providers = [azure({ ...place, ...wishes })];
    const kit = await createImgkit({ stateDirectory, clock, providers });
    kits.push(kit);
    return kit;
  };
  return {
    emulator,
    options: place,
    open,
    provider: async (wishes) => (await open(wishes)).providers.get('azure'),
    async [Symbol.asyncDispose]() {
      for (const kit of kits) await kit[Symbol.asyncDispose]();
      await emulator.close();
      await rm(home, { recursive: true, force: true });
      const wrong = emulator.violations.map(({ message }) => message);
      if (wrong.length > 0) throw new Error(`Azure would refuse: ${wrong.join('; ')}`);
    },
  };
}

/** The error that something is refused with. */
export function refusal(work: PromiseLike<unknown>): Promise<ImgkitError> {
  return Promise.resolve(work).then(
    () => Promise.reject(new Error('it was not refused')),
    (error: ImgkitError) => error,
  );
}
