import type { InstanceRecord } from './instances/instance-record.ts';
import type { MachineImageRecord } from './machine-images/machine-image-record.ts';
import { defineMetric } from './quotas.ts';
import { ResourceType, type Stored } from './state.ts';

/** Images. What stands in `resource` is all there is to them. */
export const imageType = new ResourceType<Stored>({ collection: 'images', singular: 'image' });

/** Disks: `users` of the resource names the instances they are attached to. */
export const diskType = new ResourceType<Stored>({ collection: 'disks', singular: 'disk' });

export const snapshotType = new ResourceType<Stored>({
  collection: 'snapshots',
  singular: 'snapshot',
});

export const instanceType = new ResourceType<InstanceRecord>({
  collection: 'instances',
  singular: 'instance',
});

export const machineImageType = new ResourceType<MachineImageRecord>({
  collection: 'machineImages',
  singular: 'machineImage',
});

/** Instance templates, global and regional ones. */
export const instanceTemplateType = new ResourceType<Stored>({
  collection: 'instanceTemplates',
  singular: 'instanceTemplate',
});

export const imageQuota = defineMetric({
  name: 'IMAGES',
  scope: 'project',
  limit: 20_000,
  used: (project) => imageType.all(project).length,
});
