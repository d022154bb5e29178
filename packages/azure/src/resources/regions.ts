/** The name of a region, however it is written: `East US 2`, `EASTUS2` and `eastus2` are one. */
export function regionName(text: string): string {
  return text.toLowerCase().replaceAll(/\s/g, '');
}

/** Whether two texts name the same region. */
export function sameRegion(a: string, b: string): boolean {
  return regionName(a) === regionName(b);
}
