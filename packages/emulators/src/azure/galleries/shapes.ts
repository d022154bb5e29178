import { armId, hostCaching, place, storageTypes } from '../shapes.ts';
import { flag, instant, integer, list, nullable, object, tags, text, word } from '../shape.ts';

// What may be sent about galleries and what is in them: api-version 2025-12-03.

const softDelete = object({}, { isSoftDeleteEnabled: flag() });

const community = object(
  {},
  {
    publisherUri: text(),
    publisherContact: text(),
    eula: text(),
    publicNamePrefix: text(/^[A-Za-z0-9]{5,16}$/, '5 to 16 letters and digits'),
  },
);
const galleryProperties = object(
  {},
  {
    description: text(),
    sharingProfile: object(
      {},
      { permissions: word('Private', 'Groups', 'Community'), communityGalleryInfo: community },
    ),
    softDeletePolicy: softDelete,
  },
);

export const galleryBody = object(
  { location: place },
  { tags: tags(), properties: galleryProperties },
);
export const galleryUpdate = object({}, { tags: tags(), properties: galleryProperties });

export const shareBody = object(
  { operationType: word('Add', 'Remove', 'Reset', 'EnableCommunity') },
  {
    groups: list(
      object(
        { type: word('Subscriptions', 'AADTenants') },
        { ids: list(text(/^[0-9a-f-]{36}$/i, 'a GUID')) },
      ),
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

export const definitionBody = object(
  { location: place, properties: object(definitionRequired, definitionTexts) },
  { tags: tags() },
);
export const definitionUpdate = object(
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
const sources = {
  source: object(
    {},
    {
      id: text(/^\/(?:subscriptions|sharedGalleries)\/.+/i, 'an id'),
      communityGalleryImageId: text(/^\/communityGalleries\/.+/i, 'the id of a community image'),
      virtualMachineId: armId,
    },
  ),
  osDiskImage: object({}, { source: diskSource, hostCaching }),
  dataDiskImages: list(object({ lun: integer(0, 63) }, { source: diskSource, hostCaching })),
};
const safetyProfile = object(
  {},
  { allowDeletionOfReplicatedLocations: flag(), blockDeletionBeforeEndOfLife: flag() },
);

export const versionBody = object(
  {
    location: place,
    properties: object(
      { storageProfile: object({}, sources) },
      { publishingProfile: object({}, publishing), safetyProfile },
    ),
  },
  { tags: tags() },
);
export const versionUpdate = object(
  {},
  {
    tags: tags(),
    // Published as required in changes, too; an empty one does.
    properties: object(
      { storageProfile: object({}) },
      { publishingProfile: object({}, publishing), safetyProfile, restore: flag() },
    ),
  },
);
