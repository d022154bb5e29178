import { armId, place } from '../shapes.ts';
import { flag, integer, list, object, tags, text, word } from '../shape.ts';

// What may be sent about disks and snapshots: api-version 2026-03-02.

const skus = [
  'Standard_LRS',
  'Standard_ZRS',
  'StandardSSD_LRS',
  'StandardSSD_ZRS',
  'Premium_LRS',
  'Premium_ZRS',
  'PremiumV2_LRS',
  'UltraSSD_LRS',
];
const sku = object({}, { name: word(...skus) });
const diskProperties = {
  osType: word('Linux', 'Windows'),
  hyperVGeneration: word('V1', 'V2'),
  diskSizeGB: integer(1, 65_536),
  encryption: object({}, { diskEncryptionSetId: armId, type: text() }),
  supportedCapabilities: object({}, { architecture: word('x64', 'Arm64') }),
  networkAccessPolicy: word('AllowAll', 'AllowPrivate', 'DenyAll'),
  publicNetworkAccess: word('Enabled', 'Disabled'),
  purchasePlan: object({ name: text(), publisher: text(), product: text() }),
};

export const diskBody = object(
  {
    location: place,
    properties: object(
      {
        creationData: object(
          { createOption: word('Empty', 'FromImage', 'Copy', 'Restore', 'Import') },
          {
            sourceResourceId: armId,
            sourceUri: text(),
            storageAccountId: armId,
            // Of the marketplace: its ARM id has no resource group.
            imageReference: object({}, { id: text(/^\/subscriptions\/.+/i, 'an ARM id') }),
            galleryImageReference: object(
              {},
              {
                id: armId,
                sharedGalleryImageId: text(),
                communityGalleryImageId: text(),
                lun: integer(0, 63),
              },
            ),
          },
        ),
      },
      diskProperties,
    ),
  },
  { tags: tags(), sku, zones: list(text(/^[123]$/, 'a zone')) },
);

export const snapshotBody = object(
  {
    location: place,
    properties: object(
      {
        creationData: object(
          { createOption: word('Copy', 'CopyStart', 'Import') },
          { sourceResourceId: armId, sourceUri: text(), storageAccountId: armId },
        ),
      },
      { ...diskProperties, incremental: flag() },
    ),
  },
  { tags: tags(), sku: object({}, { name: word('Standard_LRS', 'Standard_ZRS', 'Premium_LRS') }) },
);

export const accessBody = object(
  { access: word('None', 'Read', 'Write'), durationInSeconds: integer(1, 4_294_967_295) },
  { getSecureVMGuestStateSAS: flag(), fileFormat: word('VHD', 'VHDX') },
);
