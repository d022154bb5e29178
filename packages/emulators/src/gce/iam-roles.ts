/**
 * What the predefined roles permit, as far as the emulated services ask: one pattern a line, `*` for any word.
 * From Google's "IAM roles and permissions" reference of Compute Engine.
 */
const read = [
  'compute.*.get',
  'compute.*.list',
  'compute.*.getIamPolicy',
  'compute.images.getFromFamily',
  'compute.instances.getSerialPortOutput',
  'compute.instances.getScreenshot',
  'resourcemanager.projects.get',
];
const locations = [
  'compute.projects.get',
  'compute.zones.*',
  'compute.regions.*',
  'compute.globalOperations.get',
  'compute.globalOperations.list',
  'compute.regionOperations.get',
  'compute.regionOperations.list',
  'compute.zoneOperations.get',
  'compute.zoneOperations.list',
  'resourcemanager.projects.get',
];
const useImages = [
  'compute.images.get',
  'compute.images.getFromFamily',
  'compute.images.list',
  'compute.images.useReadOnly',
];

export const predefinedRoles: Readonly<Record<string, readonly string[]>> = {
  'roles/owner': ['*'],
  'roles/editor': [...read, 'compute.*.*', 'storage.*.*'],
  'roles/viewer': [...read, 'storage.buckets.list', 'storage.buckets.get'],
  'roles/compute.viewer': read,
  'roles/compute.admin': ['compute.*.*', 'resourcemanager.projects.get'],
  'roles/compute.imageUser': [...useImages, 'resourcemanager.projects.get'],
  'roles/compute.storageAdmin': [
    'compute.disks.*',
    'compute.diskTypes.*',
    'compute.images.*',
    'compute.snapshots.*',
    'compute.resourcePolicies.*',
    'compute.licenses.*',
    ...locations,
  ],
  'roles/compute.instanceAdmin.v1': [
    'compute.autoscalers.*',
    'compute.disks.*',
    'compute.diskTypes.*',
    'compute.instances.*',
    'compute.instanceGroups.*',
    'compute.instanceGroupManagers.*',
    'compute.instanceTemplates.*',
    'compute.machineImages.*',
    'compute.machineTypes.*',
    'compute.snapshots.*',
    'compute.subnetworks.use',
    'compute.subnetworks.useExternalIp',
    'compute.networks.use',
    'compute.networks.useExternalIp',
    'compute.licenses.*',
    ...useImages,
    ...locations,
  ],
  'roles/storage.admin': ['storage.*.*'],
  'roles/storage.objectAdmin': ['storage.objects.*'],
  'roles/storage.objectViewer': ['storage.objects.get', 'storage.objects.list'],
};

/** What even roles/editor may not do: giving rights away. */
export const ownersOnly = /\.setIamPolicy$/;

/** Whether a role's pattern covers a permission. */
export function covers(pattern: string, permission: string): boolean {
  if (pattern === '*') return true;
  const wanted = permission.split('.');
  const parts = pattern.split('.');
  return (
    parts.length === wanted.length &&
    parts.every((part, index) => part === '*' || part === wanted[index])
  );
}
