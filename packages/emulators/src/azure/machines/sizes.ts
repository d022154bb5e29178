import type { Json } from '../../control-plane/json.ts';

/** A size of machines. */
export interface MachineSize {
  readonly name: string;
  readonly cpus: number;
  readonly memoryGb: number;
  readonly architecture: 'x64' | 'Arm64';
  /** The generations of machines that it takes. */
  readonly generations: readonly ('V1' | 'V2')[];
  /** Whether a boot disk can be kept on the host. */
  readonly ephemeral: boolean;
  readonly family: string;
}

const both = ['V1', 'V2'] as const;

function size(
  name: string,
  cpus: number,
  memoryGb: number,
  more: Partial<MachineSize> = {},
): MachineSize {
  const family = `standard${name.replace(/^Standard_/, '').replaceAll(/\d+/g, '')}Family`;
  return {
    name,
    cpus,
    memoryGb,
    architecture: 'x64',
    generations: both,
    ephemeral: false,
    family,
    ...more,
  };
}

/** Some of the sizes that Azure has. https://learn.microsoft.com/azure/virtual-machines/sizes/overview */
export const sizes: readonly MachineSize[] = [
  size('Standard_B1ls', 1, 0.5),
  size('Standard_B1s', 1, 1),
  size('Standard_B1ms', 1, 2),
  size('Standard_B2s', 2, 4),
  size('Standard_B2ms', 2, 8),
  size('Standard_B4ms', 4, 16),
  size('Standard_D2s_v5', 2, 8),
  size('Standard_D4s_v5', 4, 16),
  size('Standard_D8s_v5', 8, 32),
  size('Standard_D2ds_v5', 2, 8, { ephemeral: true }),
  size('Standard_D4ds_v5', 4, 16, { ephemeral: true }),
  size('Standard_E2s_v5', 2, 16),
  size('Standard_E4s_v5', 4, 32),
  size('Standard_F2s_v2', 2, 4),
  size('Standard_F4s_v2', 4, 8),
  size('Standard_DC2as_v5', 2, 8, { generations: ['V2'] }),
  size('Standard_D2ps_v5', 2, 8, { architecture: 'Arm64', generations: ['V2'] }),
  size('Standard_D4ps_v5', 4, 16, { architecture: 'Arm64', generations: ['V2'] }),
];

const byName = new Map(sizes.map((one) => [one.name.toLowerCase(), one]));

/** A size by its name, in any case. */
export function sizeNamed(name: string): MachineSize | undefined {
  return byName.get(name.toLowerCase());
}

/** A size as `Microsoft.Compute/skus` lists it. */
export function skuOf(one: MachineSize, location: string): Json {
  const capabilities = {
    vCPUs: one.cpus,
    MemoryGB: one.memoryGb,
    CpuArchitectureType: one.architecture,
    HyperVGenerations: one.generations.join(','),
    EphemeralOSDiskSupported: one.ephemeral ? 'True' : 'False',
    PremiumIO: 'True',
  };
  return {
    resourceType: 'virtualMachines',
    name: one.name,
    tier: 'Standard',
    size: one.name.replace(/^Standard_/, ''),
    family: one.family,
    locations: [location],
    locationInfo: [{ location, zones: ['1', '2', '3'], zoneDetails: [] }],
    capabilities: Object.entries(capabilities).map(([name, value]) => ({
      name,
      value: String(value),
    })),
    restrictions: [],
  };
}
