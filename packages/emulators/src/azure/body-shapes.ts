import { flag, instant, integer, list, nullable, object, tags, text, word } from './shape.ts';

// What the clients of Azure may send: api-versions 2025-12-03 of galleries, 2026-04-01 of images, 2026-03-02 of
// disks and snapshots, 2022-04-01 of role assignments. What isn't here isn't emulated, and is refused.

const armId = text(/^\/subscriptions\/[^/]+\/resourceGroups\/[^/]+\/providers\/.+/i, 'an ARM id');
const place = text(/^[A-Za-z0-9 ]+$/, 'a region');
const storageTypes = word('Standard_LRS', 'Standard_ZRS', 'Premium_LRS', 'PremiumV2_LRS');
const reference = object({ id: armId });

const softDelete = object({}, { isSoftDeleteEnabled: flag() });

export const gallery = object(
  { location: place },
  {
    tags: tags(),
    properties: object(
      {},
      {
        description: text(),
        sharingProfile: object({}, { permissions: word('Private', 'Groups') }),
        softDeletePolicy: softDelete,
      },
    ),
  },
);

const range = object({}, { min: integer(1, 2 ** 31 - 1), max: integer(1, 2 ** 31 - 1) });

/** What can be changed of a definition, too. */
const definitionTexts = {
  description: text(),
  eula: text(),
  privacyStatementUri: text(),
  releaseNoteUri: text(),
  endOfLifeDate: nullable(instant()),
  recommended: object({}, { vCPUs: range, memory: range }),
  disallowed: object({}, { diskTypes: list(text()) }),
  purchasePlan: object({}, { name: text(), publisher: text(), product: text() }),
  features: list(object({}, { name: text(), value: text(), startsAtVersion: text() })),
  architecture: word('x64', 'Arm64'),
  hyperVGeneration: word('V1', 'V2'),
  allowUpdateImage: flag(),
};
const identifierText = text(/^[A-Za-z0-9](?:[\w.-]{0,126}[A-Za-z0-9_])?$/, 'an identifier');
const definitionRequired = {
  osType: word('Linux', 'Windows'),
  osState: word('Generalized', 'Specialized'),
  identifier: object({ publisher: identifierText, offer: identifierText, sku: identifierText }),
};

export const imageDefinition = object(
  { location: place, properties: object(definitionRequired, definitionTexts) },
  { tags: tags() },
);
export const imageDefinitionUpdate = object(
  {},
  { tags: tags(), properties: object({}, { ...definitionRequired, ...definitionTexts }) },
);

const diskEncryption = object(
  {},
  {
    diskEncryptionSetId: armId,
    securityProfile: object(
      {},
      { confidentialVMEncryptionType: text(), secureVMDiskEncryptionSetId: text() },
    ),
  },
);
const targetRegion = object(
  { name: place },
  {
    regionalReplicaCount: integer(1, 100),
    storageAccountType: storageTypes,
    encryption: object(
      {},
      {
        osDiskImage: diskEncryption,
        dataDiskImages: list(object({ lun: integer(0, 63) }, { diskEncryptionSetId: armId })),
      },
    ),
    excludeFromLatest: flag(),
  },
);
const publishing = {
  targetRegions: list(targetRegion),
  replicaCount: integer(1, 100),
  excludeFromLatest: flag(),
  endOfLifeDate: nullable(instant()),
  storageAccountType: storageTypes,
  storageAccountStrategy: word('PreferStandard_ZRS', 'DefaultStandard_LRS'),
  replicationMode: word('Full', 'Shallow'),
};
const diskSource = object(
  {},
  { id: armId, uri: text(/^https?:\/\//, 'an address'), storageAccountId: armId },
);
const hostCaching = word('None', 'ReadOnly', 'ReadWrite');
const sources = {
  source: object({}, { id: armId, communityGalleryImageId: text(), virtualMachineId: armId }),
  osDiskImage: object({}, { source: diskSource, hostCaching }),
  dataDiskImages: list(object({ lun: integer(0, 63) }, { source: diskSource, hostCaching })),
};
const safetyProfile = object(
  {},
  { allowDeletionOfReplicatedLocations: flag(), blockDeletionBeforeEndOfLife: flag() },
);

export const imageVersion = object(
  {
    location: place,
    properties: object(
      { storageProfile: object({}, sources) },
      { publishingProfile: object({}, publishing), safetyProfile },
    ),
  },
  { tags: tags() },
);
export const imageVersionUpdate = object(
  {},
  {
    tags: tags(),
    // Published as required in changes, too; an empty one does.
    properties: object(
      { storageProfile: object({}) },
      { publishingProfile: object({}, publishing), safetyProfile },
    ),
  },
);

export const managedImage = object(
  {
    location: place,
    properties: object(
      {},
      {
        sourceVirtualMachine: reference,
        hyperVGeneration: word('V1', 'V2'),
        storageProfile: object(
          {},
          {
            osDisk: object(
              { osType: word('Linux', 'Windows'), osState: word('Generalized', 'Specialized') },
              {
                snapshot: reference,
                managedDisk: reference,
                blobUri: text(),
                diskSizeGB: integer(1, 32_767),
                storageAccountType: text(),
                caching: hostCaching,
              },
            ),
            zoneResilient: flag(),
          },
        ),
      },
    ),
  },
  { tags: tags() },
);

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
};

export const disk = object(
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
            imageReference: reference,
            galleryImageReference: object({}, { id: armId, lun: integer(0, 63) }),
          },
        ),
      },
      diskProperties,
    ),
  },
  { tags: tags(), sku, zones: list(text(/^[123]$/, 'a zone')) },
);

export const snapshot = object(
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

const uuid = text(/^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i, 'a GUID');

export const roleAssignment = object({
  properties: object(
    { roleDefinitionId: text(/\/roleDefinitions\/[0-9a-f-]{36}$/i, 'a role'), principalId: uuid },
    {
      principalType: word('User', 'Group', 'ServicePrincipal', 'ForeignGroup', 'Device'),
      description: text(),
    },
  ),
});

export const resourceGroup = object({ location: place }, { tags: tags() });
