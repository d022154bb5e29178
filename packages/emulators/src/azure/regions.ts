/** The regions of the emulated Azure: their names, and what answers call them. */
const regions: Readonly<Record<string, string>> = {
  eastus: 'East US',
  eastus2: 'East US 2',
  westus: 'West US',
  westus2: 'West US 2',
  westus3: 'West US 3',
  centralus: 'Central US',
  northeurope: 'North Europe',
  westeurope: 'West Europe',
  uksouth: 'UK South',
  germanywestcentral: 'Germany West Central',
  swedencentral: 'Sweden Central',
  southeastasia: 'Southeast Asia',
  japaneast: 'Japan East',
  australiaeast: 'Australia East',
};

/** The name of a region, in whatever form it is written: `East US 2` is `eastus2`. */
export function regionName(text: string): string {
  return text.toLowerCase().replaceAll(/\s/g, '');
}

/** All regions. */
export function regionList(): readonly { readonly name: string; readonly displayName: string }[] {
  return Object.entries(regions).map(([name, shown]) => ({ name, displayName: shown }));
}

export function isRegion(text: string): boolean {
  return Object.hasOwn(regions, regionName(text));
}

/** What Azure calls a region in answers. */
export function displayName(text: string): string {
  return regions[regionName(text)] ?? text;
}
