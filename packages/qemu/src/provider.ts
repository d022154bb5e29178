import { ownedResources, type CallOptions, type ProviderParts } from '@imgkit/core';
import { requireSpace, runTool } from '@imgkit/core/local';

import { QemuDeprecation } from './deprecation.ts';
import { QemuDisks } from './disks.ts';
import { QemuFleets } from './fleets.ts';
import { QemuImages } from './images.ts';
import { QemuInstances } from './instances.ts';
import { QemuLimits } from './limits.ts';
import { QemuMachineImages } from './machine-images.ts';
import { MachineHost } from './machine/host.ts';
import { InstanceLauncher } from './machine/launcher.ts';
import { LocalMachines } from './machine/local-machines.ts';
import { WarmStates } from './machine/warm-states.ts';
import type { QemuSettings } from './options.ts';
import { QemuPublishing } from './publishing.ts';
import { LocalContext } from './resources/context.ts';
import { registerStore } from './qemu-store.ts';
import { QemuSharing } from './sharing.ts';
import { QemuSnapshots } from './snapshots.ts';
import { QemuTransfer } from './transfer.ts';
import { QemuUsage } from './usage.ts';
import { QemuWarmStarts } from './warm-starts.ts';

/** With less than this, no machine gets far: its disk, and the image made of it, grow as it works. */
const leastSpaceBytes = 256 * 2 ** 20;

/** Every part of the contract: this provider has them all. */
export type QemuParts = Required<ProviderParts>;

/** Puts one provider together. Nothing is opened or started yet. */
export function createParts(provider: string, settings: QemuSettings): QemuParts {
  const { directory, project, accelerator, binary } = settings;
  const context = new LocalContext({ root: directory, provider, project });
  const host = new MachineHost({ directory, binary, accelerator });
  const warm = new WarmStates(host);
  const launcher = new InstanceLauncher(context, host, warm);
  const machines = new LocalMachines(context, launcher);

  const images = new QemuImages(context, machines);
  registerStore(images, context);
  const disks = new QemuDisks(context, machines);
  const snapshots = new QemuSnapshots(context, machines);
  const machineImages = new QemuMachineImages(context, machines);
  const instances = new QemuInstances(context, launcher);
  const fleets = new QemuFleets(context, launcher);

  return {
    images,
    disks,
    snapshots,
    machineImages,
    instances,
    fleets,
    deprecation: new QemuDeprecation(context),
    publishing: new QemuPublishing(context),
    sharing: new QemuSharing(context),
    transfer: new QemuTransfer(context),
    usage: new QemuUsage(context, { instances: machines, fleets }),
    limits: new QemuLimits(context),
    warmStarts: new QemuWarmStarts(context, warm),
    owned: ownedResources(provider, {
      fleet: fleets,
      instance: instances,
      disk: disks,
      'machine-image': machineImages,
      snapshot: snapshots,
      image: images,
    }),
    connection: {
      project,
      check: (options?: CallOptions) =>
        context.call('check', directory, options, async () => {
          await runTool('qemu-img', ['--version'], options);
          await host.version();
          await requireSpace(directory, leastSpaceBytes);
        }),
      sameId: (a, b) => a === b,
      resume: (token, options) => context.resume(token, options),
      dispose: () => context.close(),
    },
  };
}
