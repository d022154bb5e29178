import { armId, hostCaching, place, reference } from '../shapes.ts';
import { flag, integer, list, object, tags, text, word } from '../shape.ts';

// What may be sent about machines: api-version 2026-04-01. https://learn.microsoft.com/rest/api/compute/virtual-machines

const deleteOption = word('Delete', 'Detach');
const storageTypes = word(
  'Standard_LRS',
  'StandardSSD_LRS',
  'StandardSSD_ZRS',
  'Premium_LRS',
  'Premium_ZRS',
  'PremiumV2_LRS',
  'UltraSSD_LRS',
);
const managedDisk = object(
  {},
  {
    id: armId,
    storageAccountType: storageTypes,
    diskEncryptionSet: reference,
    securityProfile: object(
      {},
      {
        securityEncryptionType: word('VMGuestStateOnly', 'DiskWithVMGuestState', 'NonPersistedTPM'),
        diskEncryptionSet: reference,
      },
    ),
  },
);

/** Which image something boots from. */
const imageReference = object(
  {},
  {
    id: armId,
    publisher: text(),
    offer: text(),
    sku: text(),
    version: text(),
    sharedGalleryImageId: text(),
    communityGalleryImageId: text(),
  },
);

const osDisk = object(
  { createOption: word('FromImage', 'Empty', 'Attach') },
  {
    name: text(),
    osType: word('Linux', 'Windows'),
    caching: hostCaching,
    diskSizeGB: integer(1, 32_767),
    managedDisk,
    deleteOption,
    diffDiskSettings: object(
      { option: word('Local') },
      { placement: word('CacheDisk', 'ResourceDisk', 'NvmeDisk') },
    ),
    writeAcceleratorEnabled: flag(),
  },
);
const dataDisk = object(
  { lun: integer(0, 63), createOption: word('FromImage', 'Empty', 'Attach') },
  {
    name: text(),
    caching: hostCaching,
    diskSizeGB: integer(1, 65_536),
    managedDisk,
    deleteOption,
    toBeDetached: flag(),
  },
);

/** The disks of a machine. */
const storageProfile = object(
  {},
  { imageReference, osDisk, dataDisks: list(dataDisk), diskControllerType: word('SCSI', 'NVMe') },
);

/** What the guest of a machine is told. */
const osProfile = object(
  {},
  {
    computerName: text(),
    adminUsername: text(),
    adminPassword: text(),
    customData: text(),
    linuxConfiguration: object(
      {},
      {
        disablePasswordAuthentication: flag(),
        provisionVMAgent: flag(),
        ssh: object({}, { publicKeys: list(object({ path: text(), keyData: text() })) }),
      },
    ),
    windowsConfiguration: object({}, { provisionVMAgent: flag(), enableAutomaticUpdates: flag() }),
    allowExtensionOperations: flag(),
    requireGuestProvisionSignal: flag(),
  },
);

const publicAddress = object(
  { name: text() },
  {
    sku: object({}, { name: word('Basic', 'Standard'), tier: word('Regional', 'Global') }),
    tags: tags(),
    properties: object(
      {},
      {
        deleteOption,
        idleTimeoutInMinutes: integer(4, 30),
        publicIPAddressVersion: word('IPv4', 'IPv6'),
        publicIPAllocationMethod: word('Static', 'Dynamic'),
      },
    ),
  },
);

/** An interface that is to be made for a machine. */
const interfaceConfiguration = object(
  { name: text() },
  {
    tags: tags(),
    properties: object(
      {
        ipConfigurations: list(
          object({
            name: text(),
            properties: object(
              { subnet: reference },
              {
                primary: flag(),
                publicIPAddressConfiguration: publicAddress,
                privateIPAddressVersion: word('IPv4', 'IPv6'),
              },
            ),
          }),
        ),
      },
      {
        primary: flag(),
        deleteOption,
        enableAcceleratedNetworking: flag(),
        networkSecurityGroup: reference,
      },
    ),
  },
);

const networkProfile = object(
  {},
  {
    networkInterfaces: list(
      object({ id: armId }, { properties: object({}, { primary: flag(), deleteOption }) }),
    ),
    networkApiVersion: word('2020-11-01', '2022-11-01'),
    networkInterfaceConfigurations: list(interfaceConfiguration),
  },
);

/** What security a machine has. */
const securityProfile = object(
  {},
  {
    securityType: word('Standard', 'TrustedLaunch', 'ConfidentialVM'),
    uefiSettings: object({}, { secureBootEnabled: flag(), vTpmEnabled: flag() }),
    encryptionAtHost: flag(),
  },
);

/** Where what machines print is kept. */
const diagnosticsProfile = object(
  {},
  { bootDiagnostics: object({}, { enabled: flag(), storageUri: text() }) },
);

const properties = {
  hardwareProfile: object({ vmSize: text() }),
  storageProfile,
  osProfile,
  networkProfile,
  securityProfile,
  diagnosticsProfile,
  priority: word('Regular', 'Low', 'Spot'),
  evictionPolicy: word('Deallocate', 'Delete'),
  billingProfile: object(
    {},
    {
      maxPrice: (value, path) =>
        typeof value === 'number' ? [] : [{ path, message: 'must be a number' }],
    },
  ),
  userData: text(),
  licenseType: text(),
  availabilitySet: reference,
  virtualMachineScaleSet: reference,
  platformFaultDomain: integer(0, 5),
};
const identity = object(
  { type: word('SystemAssigned', 'UserAssigned', 'SystemAssigned, UserAssigned', 'None') },
  { userAssignedIdentities: () => [] },
);
const plan = object(
  { name: text(), product: text(), publisher: text() },
  { promotionCode: text() },
);

export const machineBody = object(
  { location: place, properties: object({}, properties) },
  { tags: tags(), zones: list(text(/^[123]$/, 'a zone')), identity, plan },
);
export const machineUpdate = object(
  {},
  { tags: tags(), properties: object({}, properties), identity, zones: list(text()) },
);
export const runCommandBody = object(
  { commandId: text() },
  { script: list(text()), parameters: list(object({ name: text(), value: text() })) },
);
export const reimageBody = object(
  {},
  {
    tempDisk: flag(),
    exactVersion: text(),
    osProfile: object({}, { adminPassword: text(), customData: text() }),
  },
);
