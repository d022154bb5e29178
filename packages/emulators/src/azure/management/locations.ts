import type { JsonObject } from '../../control-plane/json.ts';
import type { Handler } from '../call.ts';
import { regionList } from '../regions.ts';

/** What Azure lists beside the regions: names for many of them. */
const logical = ['Asia', 'Europe', 'Global', 'United States'];

/** The regions of a subscription. */
export const listLocations: Handler = (call) => {
  const show = (name: string, displayName: string, regionType: string): JsonObject => ({
    id: `/subscriptions/${call.subscription}/locations/${name}`,
    name,
    type: 'Region',
    displayName,
    regionalDisplayName: displayName,
    metadata: { regionType, regionCategory: regionType === 'Logical' ? 'Other' : 'Recommended' },
  });
  const value = [
    ...regionList().map(({ name, displayName }) => show(name, displayName, 'Physical')),
    ...logical.map((name) => show(name.toLowerCase().replaceAll(' ', ''), name, 'Logical')),
  ];
  return { status: 200, body: { value } };
};
