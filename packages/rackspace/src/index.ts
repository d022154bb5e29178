export {
  hasImageSchedules,
  type ImageSchedule,
  type ImageSchedules,
} from './classic/image-schedules.ts';
export { isGlanceImage, type GlanceImage } from './glance/glance-image.ts';
export type { RackspaceOptions } from './options.ts';
export type { RackspaceImageOptions } from './resources/image-options.ts';
export { rackspace } from './plugin.ts';
