import type { Service } from '../call.ts';
import { imageFamilyViews, images } from './images.ts';
import { globalOperations, regionOperations, zoneOperations } from './operations.ts';
import { projects } from './projects.ts';
import { regions, zones } from './places.ts';

/** The emulated services, under their names in the API. */
export const services: Readonly<Record<string, Service>> = {
  GlobalOperations: globalOperations,
  ImageFamilyViews: imageFamilyViews,
  Images: images,
  Projects: projects,
  RegionOperations: regionOperations,
  Regions: regions,
  ZoneOperations: zoneOperations,
  Zones: zones,
};
