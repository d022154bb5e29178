import { object, text, word } from './shape.ts';

// What the bodies of several areas have. What clients may send stands in the `shapes.ts` of each area; what isn't
// there isn't emulated, and is refused.

/** The id of a resource. */
export const armId = text(
  /^\/subscriptions\/[^/]+\/resourceGroups\/[^/]+\/providers\/.+/i,
  'an ARM id',
);
/** A region, in either of the forms that Azure takes. */
export const place = text(/^[A-Za-z0-9 ]+$/, 'a region');
/** How the replicas of an image version may be stored. */
export const storageTypes = word('Standard_LRS', 'Standard_ZRS', 'Premium_LRS', 'PremiumV2_LRS');
/** Another resource. */
export const reference = object({ id: armId });
/** How a disk is cached. */
export const hostCaching = word('None', 'ReadOnly', 'ReadWrite');
