import type { ResourceType } from '../resources/resource-id.ts';

/** One of the SDK's groups of operations. */
export interface SdkGroup {
  readonly name: string;
  /** How it lists. */
  readonly list: string;
  /** How it lists the whole subscription, where it does. */
  readonly listAll?: string;
  /** How it makes one; `createOrUpdate` otherwise. */
  readonly put?: string;
}

/** Where the SDK has the resources of each type. */
export const groups: Readonly<Record<ResourceType, SdkGroup>> = {
  'Microsoft.Compute/disks': { name: 'disks', list: 'listByResourceGroup', listAll: 'list' },
  'Microsoft.Compute/galleries': {
    name: 'galleries',
    list: 'listByResourceGroup',
    listAll: 'list',
  },
  'Microsoft.Compute/galleries/images': { name: 'galleryImages', list: 'listByGallery' },
  'Microsoft.Compute/galleries/images/versions': {
    name: 'galleryImageVersions',
    list: 'listByGalleryImage',
  },
  'Microsoft.Compute/images': { name: 'images', list: 'listByResourceGroup', listAll: 'list' },
  'Microsoft.Compute/restorePointCollections': {
    name: 'restorePointCollections',
    list: 'list',
    listAll: 'listAll',
  },
  'Microsoft.Compute/restorePointCollections/restorePoints': {
    name: 'restorePoints',
    list: 'list',
    put: 'create',
  },
  'Microsoft.Compute/snapshots': {
    name: 'snapshots',
    list: 'listByResourceGroup',
    listAll: 'list',
  },
  'Microsoft.Compute/virtualMachines': {
    name: 'virtualMachines',
    list: 'list',
    listAll: 'listAll',
  },
  'Microsoft.Compute/virtualMachineScaleSets': {
    name: 'virtualMachineScaleSets',
    list: 'list',
    listAll: 'listAll',
  },
  'Microsoft.Compute/virtualMachineScaleSets/virtualMachines': {
    name: 'virtualMachineScaleSetVMs',
    list: 'list',
    put: 'update',
  },
};

/** How the SDK calls an action, where that isn't by its name and the body. */
export interface SdkAction {
  /** The group that it keeps it in. */
  readonly group?: string;
  readonly method: string;
  /** The option that it takes the body as. */
  readonly option?: string;
}

/** The actions that the SDK calls otherwise, by what stands behind the id in their address. */
export const actions: Readonly<Record<string, SdkAction>> = {
  share: { group: 'gallerySharingProfile', method: 'update' },
  reimage: { method: 'reimage', option: 'vmScaleSetReimageInput' },
  delete: { method: 'deleteInstances' },
  beginGetAccess: { method: 'grantAccess' },
  endGetAccess: { method: 'revokeAccess' },
  osRollingUpgrade: { group: 'virtualMachineScaleSetRollingUpgrades', method: 'startOSUpgrade' },
  'rollingUpgrades/cancel': { group: 'virtualMachineScaleSetRollingUpgrades', method: 'cancel' },
};

/** How the SDK reads what stands behind a resource. */
export const views: Readonly<Record<string, { readonly group: string; readonly method: string }>> =
  {
    'rollingUpgrades/latest': {
      group: 'virtualMachineScaleSetRollingUpgrades',
      method: 'getLatest',
    },
  };
