import { flushCompileCache } from 'node:module';

import {
  createImgkit,
  type CreateFleetRequest,
  type CreateImageRequest,
  type CreateMachineImageRequest,
  type ExportImageRequest,
  type Provider,
  type RestoreRequest,
  type RolloutRequest,
} from '@imgkit/core';

import {
  azure,
  isAzureImages,
  type AzureOptions,
  type AzureReplicationChange,
} from '../src/index.ts';

/** What is asked of the process. */
export type CalledFor =
  | { readonly call: 'images.create'; readonly request: CreateImageRequest }
  | {
      readonly call: 'images.replicate';
      readonly id: string;
      readonly change: AzureReplicationChange;
    }
  | { readonly call: 'fleets.create'; readonly request: CreateFleetRequest }
  | { readonly call: 'fleets.rollOut'; readonly request: RolloutRequest }
  | { readonly call: 'machineImages.create'; readonly request: CreateMachineImageRequest }
  | { readonly call: 'machineImages.restore'; readonly request: RestoreRequest }
  | { readonly call: 'transfer.export'; readonly request: ExportImageRequest };

/** What a process is started with. */
export type ProcessTask = CalledFor & {
  readonly stateDirectory: string;
  readonly options: AzureOptions;
};

function begin({ images, fleets, machineImages, transfer }: Provider, task: CalledFor) {
  switch (task.call) {
    case 'images.create':
      return images.create(task.request);
    case 'images.replicate':
      return isAzureImages(images) ? images.replication.change(task.id, task.change) : undefined;
    case 'fleets.create':
      return fleets?.create(task.request);
    case 'fleets.rollOut':
      return fleets?.rollOut(task.request);
    case 'machineImages.create':
      return machineImages?.create(task.request);
    case 'machineImages.restore':
      return machineImages?.restore(task.request);
    case 'transfer.export':
      return transfer?.export(task.request);
  }
}

// Makes one call, as a process that is killed on the way. What can be gone on with by others, it says at once.
// What it loads, the next one need not compile again.
await Promise.all([import('@azure/arm-compute'), import('@azure/arm-compute/api')]);
flushCompileCache();
const task: ProcessTask = JSON.parse(process.argv[2] ?? '');
const { stateDirectory, options } = task;
await using kit = await createImgkit({ stateDirectory, providers: [azure(options)] });
const running = begin(kit.providers.get('azure'), task);
running?.token().then(
  (token) => console.log(token),
  () => undefined,
);
await running;
