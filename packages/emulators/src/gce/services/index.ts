import type { Service } from '../call.ts';
import { disks } from './disks.ts';
import { imageFamilyViews, images, imageViews } from './images.ts';
import { instanceGroupManagers, regionInstanceGroupManagers } from './instance-groups.ts';
import { instanceTemplates, regionInstanceTemplates } from './instance-templates.ts';
import { instances } from './instances.ts';
import { machineImages } from './machine-images.ts';
import { diskTypes, machineTypes } from './machine-types.ts';
import { globalOperations, regionOperations, zoneOperations } from './operations.ts';
import { projects } from './projects.ts';
import { regions, zones } from './places.ts';
import { snapshots } from './snapshots.ts';

/** The emulated services, under their names in the API. */
export const services: Readonly<Record<string, Service>> = {
  DiskTypes: diskTypes,
  Disks: disks,
  GlobalOperations: globalOperations,
  ImageFamilyViews: imageFamilyViews,
  ImageViews: imageViews,
  Images: images,
  InstanceGroupManagers: instanceGroupManagers,
  InstanceTemplates: instanceTemplates,
  Instances: instances,
  MachineImages: machineImages,
  MachineTypes: machineTypes,
  Projects: projects,
  RegionInstanceGroupManagers: regionInstanceGroupManagers,
  RegionInstanceTemplates: regionInstanceTemplates,
  RegionOperations: regionOperations,
  Regions: regions,
  Snapshots: snapshots,
  ZoneOperations: zoneOperations,
  Zones: zones,
};
