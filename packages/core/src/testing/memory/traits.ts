import type { DeprecationTraits } from '../../spec/capabilities/deprecation.ts';
import type { FleetsTraits } from '../../spec/capabilities/fleets.ts';
import type { ImagesTraits } from '../../spec/capabilities/images.ts';
import type { InstancesTraits } from '../../spec/capabilities/instances.ts';
import type { MachineImagesTraits } from '../../spec/capabilities/machine-images.ts';
import type { PublishingTraits } from '../../spec/capabilities/publishing.ts';
import type { SharingTraits } from '../../spec/capabilities/sharing.ts';
import type { TransferTraits } from '../../spec/capabilities/transfer.ts';
import { resourceName } from './rules.ts';

/** How a memory cloud differs from others: what it is told to be, it is. */
export interface MemoryTraits {
  readonly images: ImagesTraits;
  readonly deprecation: DeprecationTraits;
  readonly publishing: PublishingTraits;
  readonly sharing: SharingTraits;
  readonly machineImages: MachineImagesTraits;
  readonly instances: InstancesTraits;
  readonly fleets: FleetsTraits;
  readonly transfer: TransferTraits;
}

/** Some traits; the others are the usual ones. */
export type MemoryTraitChoices = { readonly [C in keyof MemoryTraits]?: Partial<MemoryTraits[C]> };

/** The usual traits, with some chosen differently. */
export function memoryTraits(choices: MemoryTraitChoices = {}): MemoryTraits {
  return {
    images: {
      sources: ['disk', 'snapshot', 'image', 'file', 'instance'],
      imageName: resourceName,
      familyName: resourceName,
      digests: true,
      ...choices.images,
    },
    deprecation: {
      enforcesObsolete: true,
      nativeReplacement: true,
      nativeDates: true,
      carriesOutDates: false,
      ...choices.deprecation,
    },
    publishing: { nativeHead: true, ...choices.publishing },
    sharing: {
      unit: 'image',
      principals: ['project', 'user', 'group', 'service-account', 'everyone'],
      consumerAccepts: false,
      ...choices.sharing,
    },
    machineImages: {
      disks: 'all',
      applicationConsistency: true,
      minIntervalMs: 0,
      ...choices.machineImages,
    },
    instances: {
      instanceName: resourceName,
      fastRestart: false,
      hostKeyInjection: true,
      console: true,
      selfDestruct: true,
      defaultUser: 'imgkit',
      ...choices.instances,
    },
    fleets: { canary: true, pause: true, surge: true, ...choices.fleets },
    transfer: {
      importFormats: ['raw'],
      exportFormats: ['raw'],
      ...choices.transfer,
    },
  };
}
