import { flag, integer, list, object, tags, text, word, type Shape } from '../shape.ts';
import { armId, hostCaching, place } from '../shapes.ts';

// What may be sent about scale sets: api-version 2026-04-01.

const percent = integer(0, 100);
const duration = text(/^PT(?=\d)(?:\d+H)?(?:\d+M)?(?:\d+(?:\.\d+)?S)?$/, 'a duration of ISO 8601');

const upgradePolicy = object(
  {},
  {
    mode: word('Manual', 'Automatic', 'Rolling'),
    rollingUpgradePolicy: object(
      {},
      {
        maxBatchInstancePercent: integer(5, 100),
        maxUnhealthyInstancePercent: integer(5, 100),
        maxUnhealthyUpgradedInstancePercent: percent,
        pauseTimeBetweenBatches: duration,
        enableCrossZoneUpgrade: flag(),
        prioritizeUnhealthyInstances: flag(),
        rollbackFailedInstancesOnPolicyBreach: flag(),
        maxSurge: flag(),
      },
    ),
    automaticOSUpgradePolicy: object(
      {},
      {
        enableAutomaticOSUpgrade: flag(),
        disableAutomaticRollback: flag(),
        useRollingUpgradePolicy: flag(),
        osRollingUpgradeDeferral: flag(),
      },
    ),
  },
);

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
const managedDisk = object(
  {},
  {
    storageAccountType: text(),
    diskEncryptionSet: object({}, { id: armId }),
    securityProfile: object({}, { securityEncryptionType: text() }),
  },
);
const disk = {
  name: text(),
  caching: hostCaching,
  createOption: word('FromImage', 'Empty', 'Attach', 'Copy', 'Restore'),
  diskSizeGB: integer(1, 65_536),
  managedDisk,
  deleteOption: word('Delete', 'Detach'),
  writeAcceleratorEnabled: flag(),
};
const storageProfile = object(
  {},
  {
    imageReference,
    osDisk: object(
      {},
      {
        ...disk,
        osType: word('Linux', 'Windows'),
        diffDiskSettings: object({}, { option: word('Local'), placement: text() }),
      },
    ),
    dataDisks: list(object({ lun: integer(0, 63) }, disk)),
    diskControllerType: word('SCSI', 'NVMe'),
  },
);
const osProfile = object(
  {},
  {
    computerNamePrefix: text(/^.{1,58}$/, 'a prefix of 1 to 58 characters'),
    adminUsername: text(),
    adminPassword: text(),
    customData: text(/^[A-Za-z0-9+/]*={0,2}$/, 'base64'),
    linuxConfiguration: object(
      {},
      {
        disablePasswordAuthentication: flag(),
        provisionVMAgent: flag(),
        ssh: object({}, { publicKeys: list(object({}, { path: text(), keyData: text() })) }),
      },
    ),
    windowsConfiguration: object({}, { provisionVMAgent: flag(), enableAutomaticUpdates: flag() }),
    allowExtensionOperations: flag(),
  },
);
const ipConfiguration = object(
  { name: text() },
  {
    properties: object(
      {},
      {
        primary: flag(),
        subnet: object({}, { id: armId }),
        privateIPAddressVersion: word('IPv4', 'IPv6'),
        publicIPAddressConfiguration: object(
          { name: text() },
          {
            properties: object({}, { deleteOption: text(), idleTimeoutInMinutes: integer(4, 30) }),
            sku: object({}, { name: text(), tier: text() }),
          },
        ),
        loadBalancerBackendAddressPools: list(object({ id: armId })),
        applicationGatewayBackendAddressPools: list(object({ id: armId })),
      },
    ),
  },
);
const networkProfile = object(
  {},
  {
    healthProbe: object({}, { id: armId }),
    networkApiVersion: text(),
    networkInterfaceConfigurations: list(
      object(
        { name: text() },
        {
          properties: object(
            {},
            {
              primary: flag(),
              enableAcceleratedNetworking: flag(),
              enableIPForwarding: flag(),
              networkSecurityGroup: object({}, { id: armId }),
              ipConfigurations: list(ipConfiguration),
              deleteOption: word('Delete', 'Detach'),
            },
          ),
        },
      ),
    ),
  },
);
const anything: Shape = () => [];
const extensionProfile = object(
  {},
  {
    extensions: list(
      object(
        {},
        {
          name: text(),
          properties: object(
            {},
            {
              publisher: text(),
              type: text(),
              typeHandlerVersion: text(),
              autoUpgradeMinorVersion: flag(),
              enableAutomaticUpgrade: flag(),
              settings: anything,
              protectedSettings: anything,
            },
          ),
        },
      ),
    ),
    extensionsTimeBudget: duration,
  },
);
const profile = object(
  {},
  {
    osProfile,
    storageProfile,
    networkProfile,
    extensionProfile,
    securityProfile: object(
      {},
      {
        securityType: word('TrustedLaunch', 'ConfidentialVM', 'Standard'),
        encryptionAtHost: flag(),
        uefiSettings: object({}, { secureBootEnabled: flag(), vTpmEnabled: flag() }),
      },
    ),
    diagnosticsProfile: object(
      {},
      { bootDiagnostics: object({}, { enabled: flag(), storageUri: text() }) },
    ),
    licenseType: text(),
    priority: word('Regular', 'Low', 'Spot'),
    evictionPolicy: word('Deallocate', 'Delete'),
    billingProfile: object({}, { maxPrice: () => [] }),
    userData: text(),
    hardwareProfile: object({}, {}),
  },
);

const sku = object({}, { name: text(), tier: text(), capacity: integer(0, 1000) });
const properties = {
  upgradePolicy,
  virtualMachineProfile: profile,
  overprovision: flag(),
  singlePlacementGroup: flag(),
  zoneBalance: flag(),
  platformFaultDomainCount: integer(1, 5),
  orchestrationMode: word('Uniform'),
  automaticRepairsPolicy: object(
    {},
    { enabled: flag(), gracePeriod: text(), repairAction: text() },
  ),
  scaleInPolicy: object({}, { rules: list(text()), forceDeletion: flag() }),
};
const zones = list(text(/^[123]$/, 'a zone'));
const identity = object({}, { type: text(), userAssignedIdentities: anything });

export const scaleSetBody = object(
  {
    location: place,
    sku: object({ name: text(), capacity: integer(0, 1000) }, { tier: text() }),
    properties: object({ virtualMachineProfile: profile }, properties),
  },
  { tags: tags(), zones, identity, plan: anything },
);
export const scaleSetUpdate = object(
  {},
  { tags: tags(), sku, properties: object({}, properties), zones, identity, plan: anything },
);

const named = list(text(/^(?:\d+|\*)$/, 'the number of a machine'));
export const reimageBody = object(
  {},
  {
    instanceIds: named,
    tempDisk: flag(),
    forceUpdateOSDiskForEphemeral: flag(),
    exactVersion: text(),
  },
);
/** Which machines an action is about: all, when none is named. */
export const someInstances = object({}, { instanceIds: named });
/** Which machines an action is about. */
export const instances = object({ instanceIds: named });
